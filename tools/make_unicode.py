"""Writes src/tokenizer/unicode_tables.cc and unicode_facts.inc from what `tokenizers` answers.

Usage: make_unicode.py [OUTPUT_DIRECTORY]     (default: src/tokenizer beside this folder)

Needs the Python package tokenizers 0.23. Takes some five minutes. unicode_tables.cc holds
two-stage tables (pages of 256 code points, equal pages stored once); unicode_facts.inc holds
checksums of what the library answered for unicode_test.cc, computed from the answers and not from
the tables.
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


def two_stage(name, ctype, values, default):
    """C++ source of `name`Index and `name`Pages; values {code point: integer}."""
    pages, index = {}, []
    for first in range(0, 0x110000, PAGE):
        page = tuple(values.get(c, default) for c in range(first, first + PAGE))
        index.append(pages.setdefault(page, len(pages)))
    itype = "uint8_t" if len(pages) <= 256 else "uint16_t"
    out = ["const %s k%sIndex[0x110000 / 256] = {" % (itype, name)]
    out += wrapped([str(i) for i in index]) + ["};", ""]
    flat = [v for page in pages for v in page]
    if ctype != "uint32_t":
        out += ["const %s k%sPages[%d][256] = {" % (ctype, name, len(pages))]
        out += wrapped([str(v) for v in flat]) + ["};", ""]
        return out
    # The commonest words get the shortest names.
    alias = {v: "w%d" % i for i, (v, _) in enumerate(collections.Counter(flat).most_common())}
    words = ["constexpr uint32_t %s = 0x%xu;" % (alias[v], v) for v in sorted(alias)]
    out = ["namespace {"] + words + ["}  // namespace", ""] + out
    out += ["const %s k%sPages[%d][256] = {" % (ctype, name, len(pages))]
    return out + wrapped([alias[v] for v in flat]) + ["};", ""]


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


def decomposition_tables(f):
    """Pool of full decompositions, each after its length; two tables of places in it."""
    pool, places, out = [0], {}, []
    for name in ("NFD", "NFKD"):
        values = {}
        for c, text in f["forms"][name].items():
            if text == chr(c) or 0xAC00 <= c < 0xD7A4:
                continue
            if text not in places:
                places[text] = len(pool)
                pool += [len(text)] + [ord(x) for x in text]
            values[c] = places[text]
        out += two_stage("Nfd" if name == "NFD" else "Nfkd", "uint16_t", values, 0)
    facts.check(len(pool) < 65536, "decompositions fit 16-bit places")
    out += ["const char32_t kDecompositions[%d] = {" % len(pool)]
    return out + wrapped(["0x%x" % v for v in pool]) + ["};", ""]


def tables_source(f):
    out = [
        "// Generated by tools/make_unicode.py from tokenizers %s" % tokenizers.__version__,
        "// clang-format off",
        '#include "tokenizer/unicode_tables.h"',
        "",
        "namespace tamis::tokenizer::unicode_tables {",
        "",
    ]
    out += two_stage("Properties", "uint32_t", property_words(f), 0)
    lower, special = {}, []
    for c, text in f["lower"].items():
        if len(text) == 1:
            lower[c] = ord(text) - c
        else:
            special.append((c, text))
    out += two_stage("LowerDelta", "int32_t", lower, 0)
    facts.check([(c, t) for c, t in special] == [(0x130, "i\u0307")], "one long lower case mapping")
    out += two_stage("CombiningClass", "uint8_t", f["ccc"], 0)
    out += decomposition_tables(f)
    pairs = sorted(f["pairs"].items())
    out += ["const CompositionPair kCompositions[] = {"]
    out += wrapped(["{0x%x, 0x%x, 0x%x}" % (a, b, c) for (a, b), c in pairs]) + ["};"]
    out += ["const size_t kCompositionCount = %d;" % len(pairs), ""]
    grapheme = {}
    conjuncts = ["None", "Consonant", "Linker", "InCBExtend"]
    for c in CODE_POINTS:
        value = facts.GRAPHEME_CLASSES.index(f["grapheme"][c])
        grapheme[c] = value | conjuncts.index(f["conjunct"].get(c, "None")) << 4
    out += two_stage("Grapheme", "uint8_t", grapheme, 0)
    named = {}
    for name in facts.SCRIPTS:
        members = {c for c, n in f["script"].items() if n == name}
        if members and name != "Unknown":
            named[name] = members
    named.update(f["binary"])
    flat, rows = [], []
    for name, members in named.items():
        spans = ranges(members)
        rows.append('{"%s", %d, %d}' % (name.replace("_", "").lower(), len(flat), len(spans)))
        flat += spans
    out += ["const CodePointRange kNamedRanges[] = {"]
    out += wrapped(["{0x%x, 0x%x}" % tuple(span) for span in flat]) + ["};", ""]
    out += ["const NamedClass kNamedClasses[] = {"]
    out += wrapped(rows) + ["};", "const size_t kNamedClassCount = %d;" % len(rows), ""]
    return "\n".join(out + ["}  // namespace tamis::tokenizer::unicode_tables", ""])


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
    """Code points whose order and neighbours matter to normalisation and grapheme clusters."""
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
    out = ["// Generated by tools/make_unicode.py from tokenizers %s" % tokenizers.__version__]
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
    target = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else here.parent / "src" / "tokenizer")
    f = gather()
    (target / "unicode_tables.cc").write_text(tables_source(f))
    (target / "unicode_facts.inc").write_text(facts_source(f))


if __name__ == "__main__":
    main()
