"""The page of all solutions, without a kernel; `python -m tests.solutions` writes it."""

from itertools import groupby
from pathlib import Path

from daformer_lib.course.exercises import exercises

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/start/solutions.md"
REMEDY = "run: python -m tests.solutions"
OPENING = """# Solutions of all exercises

Do not read on by accident: in a chapter, `hint("name")` gives less away. Made from
`daformer_lib/course/questions`; a test runs each of them.
"""


def page() -> str:
    parts = [OPENING]
    for chapter, asked in groupby(exercises().values(), key=lambda e: e.chapter):
        (book,) = (ROOT / "notebooks").glob(f"{chapter}_*.ipynb")
        parts.append(f"## Chapter [{chapter}](../../notebooks/{book.name})\n")
        for one in asked:
            code = f"```python\n{one.solution.rstrip()}\n```"
            parts.append(f"### {one.name}\n\n{code}\n\n{one.then.rstrip()}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")
