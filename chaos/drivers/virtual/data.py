"""Data toxics on a data link in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chaos.domain.change import AddDataToxic
from chaos.domain.data_toxics import DataToxic, MatchesNothing, Met, Parcel, make_data_toxic
from chaos.drivers.virtual.protocol import PartitionShape, ShapedFolder
from chaos.errors import ArmFailed


def shape_folder(
    folder: ShapedFolder, change: AddDataToxic, in_trouble: Callable[[str], None]
) -> Callable[[], None]:
    """Put a data toxic on a folder; what is returned takes it off, and has delivered again what it spoilt.

    `in_trouble` is told where it matches nothing of what passes. Raises ArmFailed for one that is none.
    """
    try:
        toxic = make_data_toxic(change.type, change.parameters)
    except ValueError as error:
        raise ArmFailed(str(error)) from error
    changed: dict[str, None] = {}
    remove = folder.shape(_partition_shape(toxic, change.name, changed, in_trouble))

    def take_off() -> None:
        remove()
        for name in list(changed) if toxic.mended else ():
            folder.deliver_again(name)

    return take_off


def _partition_shape(
    toxic: DataToxic, toxic_name: str, changed: dict[str, None], in_trouble: Callable[[str], None]
) -> PartitionShape:
    met = Met()
    found: set[str] = set()
    """A parcel is shown again and again while another shape of the folder holds it."""

    def shape(name: str, data: bytes, written: float, now: float) -> Sequence[tuple[str, bytes]] | None:
        parcel = Parcel(name, data, written)
        if toxic.passes_at(parcel) > now:
            return None
        try:
            passed = toxic.shape(parcel)
        except MatchesNothing as error:
            in_trouble(f"{toxic_name}: {met.but_not(error)}")
            return [(name, data)]
        except Exception as error:  # noqa: BLE001 (of whatever library reads the file: not the platform's doing)
            in_trouble(f"{toxic_name}: cannot change {name}: {type(error).__name__}: {error}")
            return [(name, data)]
        found.add(name)
        met.parcels = len(found)
        if passed and passed != (parcel,):
            changed[name] = None
        return [(each.name, each.data) for each in passed]

    return shape
