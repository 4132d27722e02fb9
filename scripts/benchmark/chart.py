"""In: a record. Out: an SVG: for each table the MB/s of psql's pipe and of the program, one job above, several below. Not here: numbers of its own."""

from xml.sax.saxutils import escape

from benchmark import answers

LEFT, RIGHT, WIDTH = 150, 150, 860
BAR, BETWEEN, GAP, TOP = 15, 4, 18, 76
PIPE, PROGRAM = "#9aa5b1", "#2f6fb7"


def step(largest):
    """A round number that goes into the largest about five times."""
    unit = 1
    while unit * 10 < largest:
        unit *= 10
    return next(factor * unit for factor in (0.1, 0.2, 0.5, 1, 2) if largest / (factor * unit) <= 6) if largest > 0 else 1


def text(x, y, shown, **attributes):
    extra = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}"{extra}>{escape(shown)}</text>'


def svg(record):
    pairs = answers.pairs(record)
    speeds = [pair.megabytes_a_second(rounds) for pair in pairs for rounds in (pair.pipe, pair.program)]
    largest = max(speeds, default=1)
    scale = (WIDTH - LEFT - RIGHT) / largest
    groups = {}
    for pair in pairs:
        groups.setdefault(pair.table, []).append(pair)
    height = TOP + sum(len(group) * (2 * BAR + BETWEEN) + GAP for group in groups.values()) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        text(16, 24, "MB/s: psql's pipe without conversion, and pgv2rs-copy", font_size=15, font_weight="bold"),
        text(16, 42, f"{record['machine']['processor']}, {record['machine']['cores']} cores; {record['date']}, commit {record['commit']}; "
             f"medians of {record['options']['rounds']}", fill="#666"),
    ]
    for x, colour, name in ((16, PIPE, "psql pipe"), (110, PROGRAM, "pgv2rs-copy, and how many times as fast")):
        parts += [f'<rect x="{x}" y="52" width="12" height="12" fill="{colour}"/>', text(x + 18, 62, name)]
    tick = step(largest)
    for number in range(int(largest / tick) + 1):
        x = LEFT + number * tick * scale
        parts += [f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{height - 26}" stroke="#e4e4e4"/>',
                  text(x, height - 10, f"{number * tick:,.0f}", text_anchor="middle", fill="#666")]
    y = TOP + GAP / 2
    for name, group in groups.items():
        parts.append(text(16, y + BAR + 4, name, font_weight="bold"))
        for pair in group:
            parts.append(text(LEFT - 8, y + BAR + 4, f"{pair.jobs} {'job' if pair.jobs == 1 else 'jobs'}", text_anchor="end", fill="#666"))
            for rounds, colour, more in ((pair.pipe, PIPE, ""), (pair.program, PROGRAM, f"  ({pair.ratio():.2f})")):
                speed = pair.megabytes_a_second(rounds)
                parts += [f'<rect x="{LEFT}" y="{y:.1f}" width="{speed * scale:.1f}" height="{BAR - 2}" fill="{colour}"/>',
                          text(LEFT + speed * scale + 5, y + BAR - 4, f"{speed:,.0f}{more}")]
                y += BAR
            y += BETWEEN
        y += GAP
    return "\n".join([*parts, "</svg>"]) + "\n"
