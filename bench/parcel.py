"""Files of a finished fold on their way from a machine that does not share the run folder to the one that holds it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.store import building, replacing

#: Contents of files, by their path below the run folder.
Parcel = Mapping[str, bytes]


def pack(folder: Path, parts: Iterable[Path]) -> Parcel:
    """Take up files and folders below ``folder``; those that are not there are left out."""
    files = (file for part in parts for file in (part.rglob("*") if part.is_dir() else [part]) if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def unpack(parcel: Parcel, folder: Path) -> None:
    """Put the files in place: what belongs to a fold whole or not at all."""
    folds: dict[Path, dict[Path, bytes]] = defaultdict(dict)
    for name, content in parcel.items():
        area, owner, part, *inner = Path(name).parts
        place = folder / area / owner / part
        if inner:
            folds[place][Path(*inner)] = content
        else:  # the traceback of a fold, beside the others
            place.parent.mkdir(parents=True, exist_ok=True)
            with replacing(place) as temporary:
                temporary.write_bytes(content)
    for place, files in folds.items():
        with building(place, sums=False) as temporary:  # they are among the files
            for inside, content in files.items():
                (temporary / inside).parent.mkdir(parents=True, exist_ok=True)
                (temporary / inside).write_bytes(content)
