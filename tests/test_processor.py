"""What the kernel tells of a processor."""

import platform

import pytest

from bench import processor as module
from bench.processor import Processor, processor

X86 = "processor\t: 0\nmodel name\t: Some CPU @ 2.0GHz\nflags\t: fpu fma avx2 avx\n\nprocessor\t: 1\nflags\t: sse4_1\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd sve2\nCPU part\t: 0xd40\n"


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Gives ``told(text)``: the processor that /proc/cpuinfo tells of in these words; None for none."""

    def read(text):
        if text is not None:
            (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(module, "_CPUINFO", tmp_path / "cpuinfo")
        return processor.__wrapped__()

    return read


def test_model_and_features_are_those_of_the_first_core(told):
    assert told(X86) == Processor(model="Some CPU @ 2.0GHz", features=("avx", "fma", "avx2"))


def test_processor_without_a_name_or_without_a_file_is_called_by_its_kind(told):
    assert told(ARM) == Processor(model=platform.processor() or platform.machine(), features=("asimd", "sve2"))
    assert told("").features == ()


def test_system_without_the_file(told):
    assert told(None) == Processor(model=platform.processor() or platform.machine(), features=())


@pytest.mark.parametrize("features", [(), ("avx", "fma")])
def test_text_is_read_back(features):
    one = Processor(model="a; b", features=features)
    assert Processor.parse(str(one)) == one
