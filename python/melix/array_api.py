"""What the Python array API asks of a namespace about itself: what `mx.__array_namespace_info__()` returns."""

from __future__ import annotations

import melix.core as mx

_NAMES = [
    "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
    "float32", "float64", "complex64",
]  # fmt: skip


class ArrayNamespaceInfo:
    """Capabilities, devices and dtypes of `melix.core`. Every device has every dtype."""

    def capabilities(self) -> dict[str, bool | int]:
        """Shapes never depend on values, so a boolean array cannot be an index."""
        return {"boolean indexing": False, "data-dependent shapes": False, "max dimensions": 64}

    def default_device(self) -> mx.Device:
        return mx.default_device()

    def default_dtypes(self, *, device: mx.Device | None = None) -> dict[str, mx.Dtype]:
        return {
            "real floating": mx.float32,
            "complex floating": mx.complex64,
            "integral": mx.int32,
            "indexing": mx.int32,
        }

    def devices(self) -> tuple[mx.Device, ...]:
        kinds = (mx.cpu, mx.gpu)
        return tuple(mx.Device(kind, i) for kind in kinds for i in range(mx.device_count(kind)))

    def dtypes(
        self, *, device: mx.Device | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, mx.Dtype]:
        """Name -> dtype, of the types of the standard that are of a kind (or of one of several)."""
        all_dtypes = {name.rstrip("_"): getattr(mx, name) for name in _NAMES}
        return {n: d for n, d in all_dtypes.items() if kind is None or mx.isdtype(d, kind)}
