"""Writes unicode_tables.inc, unicode_sizes.inc and unicode_facts.inc of src/tokenizer/unicode/ from
what `tokenizers` answers.

Usage: make_unicode.py [OUTPUT_DIRECTORY]     (default: src/tokenizer/unicode)

Needs the Python package tokenizers 0.23. Takes some five minutes. unicode_tables.inc holds
two-stage tables (pages of 256 code points, equal pages stored once), packed as text that
unicode_tables.cc unpacks while it is compiled; unicode_facts.inc holds checksums of what the library
answered for unicode_test.cc, computed from the answers and not from the tables.
"""

import collections
import pathlib
import random
import sys

import tokenizers
import unicode_facts as facts
from tokenizers import normalizers, pre_tokenizers
from unicode_facts import CODE_POINTS

BITS = (  # bit 5 and up of a property word; bits 0..4 are the general category
    "PatternWord WhiteSpace Word Numeric Punctuation BertRemoved BertSpace Cjk NonspacingMark "
    "CombiningMark HasLower NfdUnsafe NfkdUnsafe NfcUnsafe NfkcUnsafe ComposesFirst ComposesSecond"
).split()
FORMS = ("NFD", "NFKD", "NFC", "NFKC")
PAGE = 256


def gather():
    """Every fact, as sets and dictionaries over code points."""
    f = {"category": {}, "sets": {}}
    for name in facts.GENERAL_CATEGORIES:
        for c in facts.matched(r"\p{%s}" % name) if name != "Cs" else ():
            facts.check(c not in f["category"], "general categories are a partition")
            f["category"][c] = name
    groups = {x: {c for c, n in f["category"].items() if n[0] == x} for x in "LMNPSZC"}
    for name, members in groups.items():
        facts.check(facts.matched(r"\p{%s}" % name) == members, "groups are unions of categories")
    digits = {c for c, n in f["category"].items() if n == "Nd"}
    facts.check(facts.matched(r"\d") == digits, r"\d is \p{Nd}")
    sets = f["sets"]
    sets["PatternWord"] = facts.matched(r"\w")
    sets["WhiteSpace"] = facts.matched(r"\s")
    facts.check_byte_level(groups["L"], groups["N"], sets["WhiteSpace"])
    sets["Word"], space, _ = facts.split_classes(pre_tokenizers.Whitespace())
    facts.check(space == sets["WhiteSpace"], "Whitespace drops White_Space")
    _, space, _ = facts.split_classes(pre_tokenizers.WhitespaceSplit())
    facts.check(space == sets["WhiteSpace"], "WhitespaceSplit drops White_Space")
    facts.check(facts.stripped_by_strip() == space, "Strip strips White_Space")
    sets["Numeric"] = facts.split_classes(pre_tokenizers.Digits(individual_digits=True))[2]
    sets["Punctuation"] = facts.split_classes(pre_tokenizers.Punctuation())[2]
    _, space, punctuation = facts.split_classes(pre_tokenizers.BertPreTokenizer())
    facts.check(space == sets["WhiteSpace"], "BertPreTokenizer drops White_Space")
    facts.check(punctuation == sets["Punctuation"], "one idea of punctuation")
    word, space = facts.added_token_classes()
    facts.check(word == sets["Word"] and space == sets["WhiteSpace"], "added tokens: same classes")
    sets["BertRemoved"], sets["BertSpace"], sets["Cjk"], mark, strip = facts.bert_classes()
    sets["NonspacingMark"], sets["CombiningMark"] = mark, strip
    f["lower"] = facts.normalized_lines(normalizers.Lowercase(), lambda s: s)
    sets["HasLower"] = {c for c, out in f["lower"].items() if out != chr(c)}
    f["forms"] = forms = facts.decompositions()
    f["ccc"] = facts.combining_classes(forms)
    f["pairs"] = pairs = facts.composition_pairs(forms)
    sets["ComposesFirst"] = {a for a, _ in pairs} | set(range(0x1100, 0x1113))
    sets["ComposesFirst"] |= {c for c in range(0xAC00, 0xD7A4) if (c - 0xAC00) % 28 == 0}
    sets["ComposesSecond"] = {b for _, b in pairs} | set(range(0x1161, 0x1176))
    sets["ComposesSecond"] |= set(range(0x11A8, 0x11C3))
    for form in FORMS:
        unsafe = {c for c in CODE_POINTS if forms[form][c] != chr(c)} | set(f["ccc"])
        if form in ("NFC", "NFKC"):
            unsafe |= sets["ComposesSecond"]
        sets["N" + form[1:].lower() + "Unsafe"] = unsafe
    f["grapheme"], f["conjunct"] = facts.grapheme_classes()
    f["script"] = {}
    for name in facts.SCRIPTS:
        members = matched_or_none(name)
        for c in members or ():
            facts.check(c not in f["script"], "scripts are a partition")
            f["script"][c] = name
    f["binary"] = {n: m for n in facts.BINARY_PROPERTIES if (m := matched_or_none(n)) is not None}
    return f


def matched_or_none(name):
    try:
        return facts.matched(r"\p{%s}" % name)
    except Exception as error:  # the library raises a bare Exception
        facts.check("invalid character property name" in str(error), str(error))
        return None


# --- writing --------------------------------------------------------------------------------------


def wrapped(items):
    lines, line = [], "   "
    for item in items:
        if len(line) + len(item) + 2 > 100:
            lines.append(line)
            line = "   "
        line += " " + item + ","
    return lines + [line]


class Packed:
    """Numbers as text: digits of base 45 from "#" on, the last of a number plain and those before it
    45 higher, the least digit first. unicode_tables.cc reads it back."""

    BASE, FIRST = 45, 35

    def __init__(self):
        self.text = []

    def add(self, value):
        while value >= self.BASE:
            self.text.append(chr(self.FIRST + self.BASE + value % self.BASE))
            value //= self.BASE
        self.text.append(chr(self.FIRST + value))

    def add_signed(self, value):
        self.add(2 * value if value >= 0 else -2 * value - 1)

    def source(self, name):
        """C++ of the text as an array of characters; a raw string ends at )" only."""
        text, width = "".join(self.text), 96
        lines = ['R"(%s)"' % text[i : i + width] for i in range(0, len(text), width)]
        lines[-1] += ";"
        return ["constexpr char k%sText[] =" % name] + lines + [""]


def runs(values):
    out = []
    for value in values:
        if out and out[-1][0] == value:
            out[-1][1] += 1
        else:
            out.append([value, 1])
    return out


def pack_runs(values):
    """The distinct values, commonest first, then runs of them."""
    packed, all_runs = Packed(), runs(values)
    order = [v for v, _ in collections.Counter(v for v, _ in all_runs).most_common()]
    packed.add(len(order))
    for value in order:
        packed.add_signed(value)
    place = {v: i for i, v in enumerate(order)}
    for value, count in all_runs:
        packed.add(place[value])
        packed.add(count - 1)
    return packed


def pack_steps(values):
    """Runs of values that mostly rise by one: steps, doubled, and one more before a count."""
    packed, last = Packed(), 0
    for value, count in runs(values):
        step = value - last
        packed.add((2 * step if step >= 0 else -2 * step - 1) * 2 + (count > 1))
        if count > 1:
            packed.add(count - 2)
        last = value
    return packed


def pages_of(values, default):
    """Two stages of {code point: integer}: the page of each 256 code points, and equal pages once."""
    pages, index = {}, []
    for first in range(0, 0x110000, PAGE):
        page = tuple(values.get(c, default) for c in range(first, first + PAGE))
        index.append(pages.setdefault(page, len(pages)))
    facts.check(len(pages) <= 256, "pages are numbered by a byte")
    return index, [v for page in pages for v in page]


def two_stage(name, index, flat, pack):
    """The generated lines of a table, and its number of pages."""
    lines = pack_runs(index).source(name + "Index") + pack(flat).source(name + "Pages")
    return lines, len(flat) // PAGE


def ranges(members):
    out = []
    for c in sorted(members):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def property_words(f):
    words = {}
    for c in range(0x110000):
        name = f["category"].get(c, "Cs")
        words[c] = facts.GENERAL_CATEGORIES.index(name)
    for bit, name in enumerate(BITS):
        for c in f["sets"][name]:
            words[c] |= 1 << (5 + bit)
    return words


def decompositions(f):
    """The distinct texts, and for each form the number of a code point's text, from 1 on."""
    numbers, tables = {}, {}
    for name in ("NFD", "NFKD"):
        values = {}
        for c, text in f["forms"][name].items():
            if text != chr(c) and not 0xAC00 <= c < 0xD7A4:
                values[c] = numbers.setdefault(text, len(numbers) + 1)
        tables[name] = values
    return list(numbers), tables


def pack_texts(texts):
    """Each text's length and code points, as steps from the one before."""
    packed, length, last = Packed(), 0, [0] * 64
    for text in texts:
        packed.add_signed(len(text) - length)
        length = len(text)
        for i, c in enumerate(map(ord, text)):
            packed.add_signed(c - last[i])
            last[i] = c
    return packed


def pack_pairs(pairs):
    packed, last = Packed(), (0, 0, 0)
    for row in pairs:
        for value, before in zip(row, last):
            packed.add_signed(value - before)
        last = row
    return packed


def pack_ranges(spans):
    packed, last = Packed(), 0
    for first, end in spans:
        packed.add_signed(first - last)
        packed.add(end - first)
        last = end
    return packed


def write_tables(target, tables):
    """unicode_tables.inc: the packed numbers; unicode_sizes.inc: how many they are."""
    head = ["// Generated by tools/generate/make_unicode.py from tokenizers %s" % tables["version"]]
    head += ["// clang-format off"]
    lines, sizes = list(head), list(head)
    for name, (index, flat, pack) in tables["pages"].items():
        more, pages = two_stage(name, index, flat, pack)
        lines += more
        sizes.append("inline constexpr size_t k%sPageCount = %d;" % (name, pages))
    lines += pack_texts(tables["texts"]).source("Decompositions")
    lines += pack_pairs(tables["pairs"]).source("Compositions")
    lines += pack_ranges(tables["spans"]).source("NamedRanges")
    lines += ["const NamedClass kNamedClasses[] = {"]
    lines += wrapped(['{"%s", %d, %d}' % row for row in tables["classes"]]) + ["};"]
    lines += ["const size_t kNamedClassCount = %d;" % len(tables["classes"])]
    sizes.append("inline constexpr size_t kDecompositionCount = %d;" % len(tables["texts"]))
    pool = 1 + sum(1 + len(text) for text in tables["texts"])
    facts.check(pool < 65536, "decompositions fit 16-bit places")
    sizes.append("inline constexpr size_t kDecompositionPoolSize = %d;" % pool)
    sizes.append("inline constexpr size_t kCompositionCount = %d;" % len(tables["pairs"]))
    sizes.append("inline constexpr size_t kNamedRangeCount = %d;" % len(tables["spans"]))
    (target / "unicode_tables.inc").write_text("\n".join(lines + [""]))
    (target / "unicode_sizes.inc").write_text("\n".join(sizes + [""]))


def tables_of(f):
    lower, special = {}, []
    for c, text in f["lower"].items():
        if len(text) == 1:
            lower[c] = ord(text) - c
        else:
            special.append((c, text))
    facts.check([(c, t) for c, t in special] == [(0x130, "i\u0307")], "one long lower case mapping")
    texts, forms = decompositions(f)
    grapheme = {}
    conjuncts = ["None", "Consonant", "Linker", "InCBExtend"]
    for c in CODE_POINTS:
        value = facts.GRAPHEME_CLASSES.index(f["grapheme"][c])
        grapheme[c] = value | conjuncts.index(f["conjunct"].get(c, "None")) << 4
    named = {}
    for name in facts.SCRIPTS:
        members = {c for c, n in f["script"].items() if n == name}
        if members and name != "Unknown":
            named[name] = members
    named.update(f["binary"])
    spans, classes = [], []
    for name, members in named.items():
        own = ranges(members)
        classes.append((name.replace("_", "").lower(), len(spans), len(own)))
        spans += own
    return {
        "version": tokenizers.__version__,
        "pages": {
            "Properties": (*pages_of(property_words(f), 0), pack_runs),
            "LowerDelta": (*pages_of(lower, 0), pack_runs),
            "CombiningClass": (*pages_of(f["ccc"], 0), pack_runs),
            "Nfd": (*pages_of(forms["NFD"], 0), pack_steps),
            "Nfkd": (*pages_of(forms["NFKD"], 0), pack_steps),
            "Grapheme": (*pages_of(grapheme, 0), pack_runs),
        },
        "texts": texts,
        "pairs": [(a, b, c) for (a, b), c in sorted(f["pairs"].items())],
        "spans": spans,
        "classes": classes,
    }


# --- checksums of the answers ---------------------------------------------------------------------


def fnv(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def set_checksum(members):
    bits = bytearray(0x110000 // 8)
    for c in members:
        bits[c // 8] |= 1 << c % 8
    return fnv(bits)


def mapping_checksum(mapping):
    """Over "c, length, code points" as little-endian 32-bit words, changed code points only."""
    data = bytearray()
    for c in sorted(mapping):
        if mapping[c] != chr(c):
            for word in (c, len(mapping[c]), *map(ord, mapping[c])):
                data += word.to_bytes(4, "little")
    return fnv(data)


def interesting(f):
    """Code points whose order and neighbors matter to normalization and grapheme clusters."""
    chosen = set(f["ccc"]) | set(f["sets"]["ComposesFirst"]) | set(f["sets"]["ComposesSecond"])
    chosen -= set(range(0xAC1C, 0xD788))
    rng = random.Random(20)
    by_class = {}
    for c in CODE_POINTS:
        if c not in (0x00, 0x0A, 0x0D):
            by_class.setdefault((f["grapheme"][c], f["conjunct"].get(c)), []).append(c)
    graphemes = []
    for key in sorted(by_class, key=str):
        members = by_class[key]
        short = [c for c in members if c < 0x800] or members
        graphemes += rng.sample(members, min(6, len(members))) + rng.sample(short, min(4, len(short)))
    return sorted(chosen), sorted(set(graphemes))


def pick_sequences(pool, count, longest):
    """The generator unicode_test.cc repeats: a 64-bit LCG, high bits used."""
    state, out = 1, []

    def step(below):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (state >> 33) % below

    for _ in range(count):
        out.append("".join(chr(pool[step(len(pool))]) for _ in range(1 + step(longest))))
    return out


def facts_source(f):
    out = ["// Generated by tools/generate/make_unicode.py from tokenizers %s" % tokenizers.__version__]
    out += ["// clang-format off"]

    def row(macro, *cells):
        out.append("%s(%s)" % (macro, ", ".join(cells)))

    for index, name in enumerate(facts.GENERAL_CATEGORIES):
        members = {c for c, n in f["category"].items() if n == name}
        if members:
            row("CATEGORY", name, str(len(members)), "0x%xu" % set_checksum(members))
    for name in BITS[:11]:
        members = f["sets"][name]
        row("CLASS", name, str(len(members)), "0x%xu" % set_checksum(members))
    for name in sorted(set(f["script"].values())):
        if name != "Unknown":
            members = {c for c, n in f["script"].items() if n == name}
            row("NAMED", '"%s"' % name, str(len(members)), "0x%xu" % set_checksum(members))
    for name, members in f["binary"].items():
        row("NAMED", '"%s"' % name, str(len(members)), "0x%xu" % set_checksum(members))
    row("MAPPING", "Lower", "0x%xu" % mapping_checksum(f["lower"]))
    for form in FORMS:
        row("MAPPING", form.capitalize(), "0x%xu" % mapping_checksum(f["forms"][form]))
    marks, graphemes = interesting(f)
    row("POOL", "kMarks", ", ".join("0x%x" % c for c in marks))
    row("POOL", "kGraphemes", ", ".join("0x%x" % c for c in graphemes))
    for form in FORMS:
        normalizer = getattr(normalizers, form)()
        lines = [normalizer.normalize_str(s) for s in pick_sequences(marks, 20000, 8)]
        row("SEQUENCES", form.capitalize(), "0x%xu" % fnv("\n".join(lines).encode()))
    counter = facts.counting_precompiled()
    lines = [counter.normalize_str(s) for s in pick_sequences(graphemes, 50000, 9)]
    row("GRAPHEMES", "0x%xu" % fnv("\n".join(lines).encode()))
    return "\n".join(out + [""])


def main():
    here = pathlib.Path(__file__).resolve().parent
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else here.parents[1] / "src/tokenizer/unicode")
    f = gather()
    write_tables(target, tables_of(f))
    (target / "unicode_facts.inc").write_text(facts_source(f))


if __name__ == "__main__":
    main()
