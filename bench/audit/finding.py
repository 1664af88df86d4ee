"""What an audit found, and whether the run may go on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from bench.audit.overview import Overview
from bench.errors import AuditBlockedError, RequestError, choices, nearest

Severity = Literal["info", "warning", "blocking"]

#: What each code means; ``--allow CODE`` lets a run go on in spite of a blocking one.
CODES: Mapping[str, str] = MappingProxyType(
    {
        "target_leakage": "a single column predicts the target almost perfectly",
        "target_aggregate": "a column is the mean of the target over rows that include the row itself",
        "missingness_leakage": "which values are missing tells the target almost perfectly",
        "id_leakage": "an identifier that is left out tells the target",
        "row_order": "the place of a row in the file tells the target",
        "straddling_groups": "values of a column mark rows that belong together, with one label among them",
        "test_shift": "rows of the test file can be told from the rows to learn from",
        "time_drift": "early rows differ from late ones",
        "train_test_overlap": "rows of the test set also occur among the rows to learn from",
        "near_duplicates": "rows of the test set equal a row to learn from but for rounding or one or two columns",
        "duplicate_rows": "rows repeat the features of another row",
        "near_constant_target": "almost all rows have the same target",
        "class_imbalance": "classes are of very unequal size",
        "rare_classes": "classes have too few rows to be learned",
        "missing_values": "features lack values",
        "infinite_values": "features hold infinite numbers",
        "sentinel_values": "features hold numbers that look like codes for missing values",
        "outliers": "features hold numbers far outside the rest",
        "mixed_types": "features hold numbers and words",
        "id_columns": "columns look like identifiers",
        "constant_columns": "columns hold a single value",
        "duplicate_columns": "features repeat another one value for value",
        "high_cardinality": "categorical features have very many levels",
        "label_noise": "confident out-of-fold predictions contradict labels",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing found, in sentences: ``message`` what and how much, ``effect`` on scores, ``advice`` what to do.

    ``evidence`` is plain values for JSON.
    """

    code: str
    severity: Severity
    message: str
    effect: str = ""
    advice: str = ""
    columns: tuple[str, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All that is said, one sentence after the other."""
        return " ".join(filter(None, (self.message, self.effect, self.advice)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """All findings, in the order of the table of checks, and the `Overview` of columns and classes."""

    findings: tuple[Finding, ...] = ()
    overview: Overview = field(default_factory=Overview)

    def blocking(self, allow: Sequence[str] = ()) -> tuple[Finding, ...]:
        """Findings that would make every score a lie, but for those whose code is allowed.

        Raises:
            RequestError: ``allow`` holds something that is no code.
        """
        for code in allow:
            if code not in CODES:
                raise RequestError(
                    f"--allow must name a finding of the audit, got {code!r}.{nearest(code, CODES)} "
                    f"Choose from: {choices(CODES)}."
                )
        return tuple(f for f in self.findings if f.severity == "blocking" and f.code not in allow)

    def require(self, allow: Sequence[str] = ()) -> None:
        """Let the run go on, or not.

        Raises:
            AuditBlockedError: a finding blocks whose code is not in ``allow``.
        """
        blocking = self.blocking(allow)
        if not blocking:
            return
        said = " ".join(f"[{finding.code}] {finding.text}" for finding in blocking)
        flags = " ".join(f"--allow {code}" for code in dict.fromkeys(finding.code for finding in blocking))
        raise AuditBlockedError(
            f"the audit blocks this run, as its scores would mislead. {said} Or go on with {flags}."
        )

    def adding(self, finding: Finding | None) -> "Audit":
        """The audit with one more finding, where there is one."""
        return self if finding is None else replace(self, findings=(*self.findings, finding))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "findings": [
                {
                    "code": finding.code,
                    "severity": finding.severity,
                    "message": finding.message,
                    "effect": finding.effect,
                    "advice": finding.advice,
                    "columns": list(finding.columns),
                    "evidence": dict(finding.evidence),
                }
                for finding in self.findings
            ],
            "overview": self.overview.to_dict(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Audit":
        """Read back what `to_dict` gave."""
        return cls(
            findings=tuple(Finding(**{**entry, "columns": tuple(entry["columns"])}) for entry in content["findings"]),
            overview=Overview.from_dict(content.get("overview", {})),
        )
