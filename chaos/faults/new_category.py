"""Products are filed in a category that was not there; the contract was widened first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.capabilities import Capability, Data, Layers, MeaninglessChange, column_of
from chaos.contracts import EffectCheck, Usable
from chaos.domain.change import Change
from chaos.domain.target import TargetSpec
from chaos.errors import nearest


@dataclass(frozen=True)
class NewCategory:
    """File the products that `where` and `equals` choose in `category`, after raising `limit`, the parameter
    of `layer` that says how many categories there are.

    Benign: it must neither page nor block. Source: Breck et al., Data validation for machine learning (SysML
    2019): a new value is written into the schema first.
    """

    name: ClassVar[str] = "new_category"
    needs: ClassVar[tuple[type[Capability], ...]] = (Data, Layers)
    link: str
    category: int
    where: str
    equals: int
    column: str = "category"
    layer: str = "schema"
    limit: str = "categories"

    def refuse(self, spec: TargetSpec) -> None:
        """A category that is there already is not new, and what is raised is a number of categories."""
        layer = spec.layers.get(self.layer)
        if layer is None:
            return  # told where it would be changed
        known = layer.parameters.get(self.limit)
        if known is None or not isinstance(known.default, int) or known.type != "integer":
            counts = [name for name, one in layer.parameters.items() if one.type == "integer"]
            says = f"layer {self.layer!r} has no parameter {self.limit!r} that is a whole number"
            raise MeaninglessChange("limit", says, nearest(self.limit, counts))
        if self.category < known.default:
            says = f"category {self.category} is there: a new one is {known.default} or more"
            raise MeaninglessChange("category", says)

    def changes(self, target: Usable) -> Iterator[Change]:
        """The contract first, then one `poison` toxic (which puts a value into a column)."""
        yield target.use(Layers).set(self.layer, self.limit, self.category + 1, field="limit")
        values = [f"{column_of(target.spec, self.column)}={self.category}"]
        where = column_of(target.spec, self.where, "where")
        yield target.use(Data).toxic(self.link, "poison", values=values, where=where, equals=self.equals)

    def effect(self, spec: TargetSpec) -> EffectCheck | None:  # noqa: ARG002
        """A partition came with another category than was written."""
        return EffectCheck("partitions_altered", {"link": self.link}, at_least=1)
