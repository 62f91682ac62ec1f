"""How a comparison is shown: lines in a terminal, a table in docs/performance.md, and a picture beside it."""

import math
import os
import platform
import re
from html import escape
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE, PICTURE = DOCS / "performance.md", DOCS / "performance.svg"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
NOT_COMPARED = "absent: not compared"  # a case that leaves a library out (worker.py)


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1e6:.1f} us" if seconds < 1e-3 else f"{seconds * 1e3:.2f} ms"


def number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def percent(row) -> str:
    return f"{100 * row.limit / row.melix:.0f} %" if row.limit and row.melix else "-"


def missed(row) -> bool:
    """Whether the case is slower than it is meant to be."""
    if not row.melix:
        return False
    peer = row.seconds.get(row.case.goal_peer or row.best_peer)
    late = row.case.target and row.melix > row.case.target
    return bool(late or (row.case.goal and peer and peer / row.melix < row.case.goal))


def goal(case) -> str:
    parts = [number(case.goal, "g")] if case.goal else []
    parts += [f"({case.goal_peer})"] if case.goal_peer else []
    parts += [f"<= {duration(case.target)}"] if case.target else []
    return " ".join(parts) or "-"


# ---- terminal ----


def heading(names: list[str]) -> str:
    columns = "".join(f"{name:>12}" for name in names)
    return f"{'case':24}{columns}{'ratio':>8}{'goal':>6}{'limit':>8}{'moved':>7}"


def line(row, names: list[str]) -> str:
    cells = "".join(f"{duration(row.seconds.get(name)):>12}" for name in names)
    text = f"{row.case.name:24}{cells}{number(row.ratio, '.2f'):>8}{number(row.case.goal, 'g'):>6}"
    text += f"{percent(row):>8}{number(row.moved, '.2f'):>7}{'  below the goal' if missed(row) else ''}"
    reasons = [f"  {name}: {why}" for name, why in row.why.items() if why != NOT_COMPARED]
    return "\n".join([text, *reasons])


def summary(rows) -> str:
    behind = [row.case.name for row in rows if row.ratio and row.ratio < 1]
    below = [row.case.name for row in rows if missed(row)]
    return (
        f"{len(behind)} of {len(rows)} cases behind the best peer ({', '.join(behind) or 'none'}), "
        f"{len(below)} below their goal\n"
        "ratio: best peer / melix; limit: per cent of what memory or arithmetic allows; moved: bytes that melix moved, "
        "over those of the operands and results"
    )


# ---- the page ----


def processor() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    name = re.search(r"model name\s*:\s*(.+)", info)
    flags = set(re.search(r"flags\s*:\s*(.+)", info).group(1).split()) if "flags" in info else set()
    known = [f for f in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if f in flags]
    return (
        f"{name.group(1) if name else platform.machine()} ({', '.join(known) or 'no extensions known here'})"
    )


def cache(level: int) -> str:
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        if (index / "level").read_text().strip() == str(level):
            return (index / "size").read_text().strip()
    return "?"


def machine(versions: dict[str, str], load: list[float]) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    libraries = ", ".join(f"{name} {version}".strip() for name, version in versions.items())
    kernel = ".".join(platform.release().split(".")[:2])
    return (
        f"{len(os.sched_getaffinity(0))} cores of {processor()}, L2 {cache(2)}, L3 {cache(3)}, {memory:.0f} GiB; "
        f"{platform.system()} {kernel}, Python {platform.python_version()}; {libraries}. "
        f"Load average before and after: {load[0]:.1f}, {load[-1]:.1f} (the run itself is one to two)."
    )


def table(rows) -> str:
    lines = [
        "| case | melix | best peer | ratio | goal | of the limit | moved |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        best = row.best_peer
        peer = f"{duration(row.seconds[best])} {best}" if best else "-"
        ratio = number(row.ratio, ".2f")
        cells = [
            f"`{row.case.name}`: {row.case.what}",
            duration(row.melix) if row.melix else row.why.get("melix", "-"),
            peer,
            f"**{ratio}**" if missed(row) else ratio,
            goal(row.case),
            percent(row),
            number(row.moved, ".2f"),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def picture(rows) -> str:
    """Bars of the ratios on a logarithmic scale: right of the line, melix is faster."""
    shown = [row for row in rows if row.ratio]
    least = min(0.5, *(row.ratio for row in shown))
    most = max(2.0, *(row.ratio for row in shown))
    left, width, step, top = 190, 520, 20, 24

    def x(ratio: float) -> float:
        return left + width * (math.log(ratio) - math.log(least)) / (math.log(most) - math.log(least))

    height = top + step * len(shown) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 70}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{left + width + 70}" height="{height}" fill="white"/>',
        f'<text x="{x(1):.0f}" y="14" text-anchor="middle">as fast as the best peer</text>',
    ]
    for i, row in enumerate(shown):
        y, end = top + step * i, x(row.ratio)
        begin, size = min(end, x(1)), max(1.0, abs(end - x(1)))
        color = "#2a7f62" if row.ratio >= 1 else "#b5483a"
        parts.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{escape(row.case.name)}</text>')
        parts.append(f'<rect x="{begin:.1f}" y="{y + 1}" width="{size:.1f}" height="14" fill="{color}"/>')
        parts.append(f'<text x="{max(end, x(1)) + 5:.1f}" y="{y + 12}">{row.ratio:.2f}</text>')
    parts.append(f'<line x1="{x(1):.1f}" y1="{top - 4}" x2="{x(1):.1f}" y2="{height - 6}" stroke="black"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def write(rows, versions: dict[str, str], load: list[float], command: str) -> None:
    """Replaces what stands between the markers of the page, and the picture."""
    PICTURE.write_text(picture(rows))
    untimed = [
        f"- `{row.case.name}`: {name} {why}"
        for row in rows
        for name, why in row.why.items()
        if why != NOT_COMPARED
    ]
    parts = [
        BEGIN,
        f"`{command}` on {machine(versions, load)}",
        table(rows),
        "Not timed:\n" + "\n".join(untimed) if untimed else "",
        "![Ratios to the best peer](performance.svg)",
        END,
    ]
    text = PAGE.read_text()
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    PAGE.write_text(before + "\n\n".join(part for part in parts if part) + after)
    print(f"wrote {PAGE.name} and {PICTURE.name}")
