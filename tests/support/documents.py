"""The project's Markdown files, taken apart: commands, code, paragraphs, links, anchors."""
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"),
                                                       *ROOT.glob("benchmarks/results/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def fences(name, language):
    """The code in a document's fences of a language."""
    return [code for of, code in FENCE.findall(read(name)) if of == language]


def indented(text):
    """The lines of code that are indented: those of lists are not."""
    blocks = re.split(r"\n\s*\n", FENCE.sub("", text))
    return [line.strip() for block in blocks for line in block.splitlines() if block.startswith("    ")]


def quoted(text):
    """What stands in backticks, its line breaks made spaces."""
    text = "\n".join(line for line in FENCE.sub("", text).splitlines() if not line.startswith("    "))
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text)]


def commands(name):
    """The commands in a document that are this project's: lists of words, from `cifar_fast` or `-m MODULE` on."""
    text, found = read(name), []
    for line in [*indented(text), *(q for q in quoted(text) if q.startswith(("cifar_fast ", "python -m ")))]:
        for command in line.split(" && "):
            words = [word for word in shlex.split(command) if word != "..."]
            starts = [i for i, word in enumerate(words) if word == "cifar_fast" or word == "-m"]
            if starts:
                found.append(words[starts[0]:])
    return found


def paragraphs(name):
    """The document's running text: lists of lines. Headings, tables, code, pictures and list items are none."""
    blocks = re.split(r"\n\s*\n", FENCE.sub("", read(name)))
    return [block.strip("\n").splitlines() for block in blocks
            if block.strip() and not block.strip("\n").startswith(("#", "|", "    ", "!", "- ", "* ", "1. "))]


def tables(name):
    """The document's tables: lists of rows, without the two lines of their heads."""
    blocks = re.split(r"\n\s*\n", FENCE.sub("", read(name)))
    return [block.strip("\n").splitlines()[2:] for block in blocks if block.lstrip("\n").startswith("|")]


def links(name):
    """The targets of links and pictures within the repository: (path, anchor), either may be empty."""
    targets = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", read(name)))
    return [tuple(target.partition("#")[::2]) for target in targets if not re.match(r"\w+:", target)]


def anchors(path):
    """What a link to a document can name after #: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
