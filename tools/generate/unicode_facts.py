"""Asks the Hugging Face `tokenizers` package what it knows of every Unicode code point.

Each fact is read through the component that uses it, because the library carries several Unicode
versions at once: Oniguruma for patterns, Rust's `char` and `regex`, and older tables for
normalization and for BERT. Nothing here is taken from a Unicode data file; Python's unicodedata only
proposes composition pairs and combining classes, which are then checked against the library.
"""

import struct
import unicodedata

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
ALL_TEXT = "".join(map(chr, CODE_POINTS))

GENERAL_CATEGORIES = (
    "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn"
).split()

# Further properties a pattern may name; stored as ranges.
BINARY_PROPERTIES = (
    "Alphabetic Uppercase Lowercase White_Space Emoji Emoji_Presentation Emoji_Modifier "
    "Emoji_Modifier_Base Emoji_Component Extended_Pictographic Ideographic Unified_Ideograph "
    "ID_Start ID_Continue XID_Start XID_Continue Cased Case_Ignorable Diacritic Dash Hex_Digit "
    "Quotation_Mark Math Default_Ignorable_Code_Point Grapheme_Extend Variation_Selector "
    "Alnum Blank Cntrl Graph Print Punct Space XDigit Word"
).split()

SCRIPTS = (
    "Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak "
    "Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian "
    "Caucasian_Albanian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot "
    "Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs "
    "Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi "
    "Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited "
    "Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li "
    "Kharoshthi Khitan_Small_Script Khmer Khojki Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B "
    "Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen Masaram_Gondi "
    "Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi "
    "Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari New_Tai_Lue Newa Nko Nushu "
    "Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian Old_Permic "
    "Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya Osage Osmanya "
    "Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan "
    "Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese "
    "Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu "
    "Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Unknown Vai Vithkuqi Wancho Warang_Citi "
    "Yezidi Yi Zanabazar_Square Garay Gurung_Khema Kirat_Rai Ol_Onal Sunuwar Todhri Tulu_Tigalari"
).split()


def check(condition, what):
    if not condition:
        raise SystemExit("the library does not behave as this generator assumes: " + what)


def matched(pattern):
    """Set of code points that one-character `pattern` matches in a Split pre-tokenizer."""
    splitter = pre_tokenizers.Split(Regex("(?:%s)+" % pattern), "removed")
    found, at = [], 0
    for _, (start, end) in splitter.pre_tokenize_str(ALL_TEXT) + [("", (len(ALL_TEXT),) * 2)]:
        found.extend(CODE_POINTS[at:start])
        at = end
    return set(found)


def normalized_lines(normalizer, make, skip=(0x0A,)):
    """{c: normalizer(make(c))}, asked in one call with line feeds between the answers."""
    asked = [c for c in CODE_POINTS if c not in skip]
    out = normalizer.normalize_str("\n".join(make(chr(c)) for c in asked)).split("\n")
    check(len(out) == len(asked), "a line feed stays a line feed")
    result = dict(zip(asked, out))
    for c in skip:
        result[c] = normalizer.normalize_str(make(chr(c)))
    return result


def starts_beside(pre_tokenizer, side):
    """(starts a piece, next character starts a piece) for every c, asked as side c side."""
    starts = {0}
    for _, (start, _) in pre_tokenizer.pre_tokenize_str("".join(side + chr(c) + side for c in CODE_POINTS)):
        starts.add(start)
    here = {c for i, c in enumerate(CODE_POINTS) if 3 * i + 1 in starts}
    after = {c for i, c in enumerate(CODE_POINTS) if 3 * i + 2 in starts}
    return here, after


def split_classes(pre_tokenizer, side="a"):
    """What a word-splitting pre-tokenizer joins to a letter, drops, and sets apart."""
    here, after = starts_beside(pre_tokenizer, side)
    return set(CODE_POINTS) - after, after - here, here


def check_byte_level(letters, numbers, spaces):
    """The ByteLevel pattern's letters, numbers and spaces are \\p{L}, \\p{N} and \\s."""
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=True)
    others = set(CODE_POINTS) - letters - numbers - spaces
    for side, members in (("a", letters), ("1", numbers), ("!", others)):
        joined = set(CODE_POINTS) - starts_beside(splitter, side)[1]
        # A space begins the piece of what follows it, whatever that is.
        check(joined - {0x20} == members, "ByteLevel beside " + side)


def bert_classes():
    clean = normalizers.BertNormalizer(True, False, False, False)
    removed, space = set(), set()
    for c in CODE_POINTS:
        out = clean.normalize_str("a" + chr(c) + "b")
        if out == "ab":
            removed.add(c)
        elif out == "a b":
            space.add(c)
        else:
            check(out == "a" + chr(c) + "b", "clean_text on U+%04X" % c)
    chinese = normalizers.BertNormalizer(False, True, False, False)
    cjk = set()
    for c, out in normalized_lines(chinese, lambda s: s).items():
        if out == " " + chr(c) + " ":
            cjk.add(c)
        else:
            check(out == chr(c), "handle_chinese_chars on U+%04X" % c)
    accents = normalizers.BertNormalizer(False, False, True, False)
    bert_mark = {c for c, out in normalized_lines(accents, lambda s: s).items() if out == ""}
    strip_mark = {
        c for c, out in normalized_lines(normalizers.StripAccents(), lambda s: s).items() if out == ""
    }
    return removed, space, cjk, bert_mark, strip_mark


def added_token_classes():
    """Word characters and spaces beside an added token."""
    word = Tokenizer(models.WordLevel({"[U]": 0}, unk_token="[U]"))
    word.add_tokens([AddedToken("XYZ", single_word=True, normalized=False)])
    text = "".join(" XYZ" + chr(c) for c in CODE_POINTS)
    found = {s for i, (s, _) in zip(*(lambda e: (e.ids, e.offsets))(word.encode(text))) if i == 1}
    after = {c for i, c in enumerate(CODE_POINTS) if 5 * i + 1 not in found}
    text = "".join(chr(c) + "XYZ " for c in CODE_POINTS)
    found = {s for i, (s, _) in zip(*(lambda e: (e.ids, e.offsets))(word.encode(text))) if i == 1}
    before = {c for i, c in enumerate(CODE_POINTS) if 5 * i + 1 not in found}
    check(before == after, "the same word characters before and after an added token")
    spaces = []
    for sides in ({"lstrip": True}, {"rstrip": True}):
        strip = Tokenizer(models.WordLevel({"[U]": 0}, unk_token="[U]"))
        strip.add_tokens([AddedToken("XYZ", normalized=False, **sides)])
        text = "".join("b" + chr(c) + "XYZ" + chr(c) for c in CODE_POINTS)
        encoding = strip.encode(text)
        taken = set()
        for i, (start, end) in zip(encoding.ids, encoding.offsets):
            if i == 1 and end - start == 4:
                taken.add(CODE_POINTS[start // 6])
            check(i == 0 or end - start in (3, 4), "an added token strips one space here")
        spaces.append(taken)
    check(spaces[0] == spaces[1], "the same spaces left and right of an added token")
    return before, spaces[0]


def stripped_by_strip():
    strip = normalizers.Strip()
    return {c for c in CODE_POINTS if strip.normalize_str(chr(c)) == ""}


# --- normal forms ---------------------------------------------------------------------------------


def combining_classes(forms):
    """{c: canonical combining class} for classes other than 0, by the order NFD puts marks in."""
    nfd = normalizers.NFD()
    grave, iota = "\u0300", "\u0345"

    def moves(mark):
        return any(
            nfd.normalize_str("a" + x + y) == "a" + y + x
            for x, y in ((grave, mark), (mark, grave), (iota, mark), (mark, iota))
        )

    # A mark that only Python's newer tables know never moves here.
    representative = {}
    for c in CODE_POINTS:
        value = unicodedata.combining(chr(c))
        if value and value not in representative and forms["NFD"][c] == chr(c) and moves(chr(c)):
            representative[value] = chr(c)
    classes = sorted(representative)
    # A mark sorts before the representative of the highest class iff its own class is below it.
    last = representative[classes[-1]]
    marks = {c for c, o in normalized_lines(nfd, lambda s: "a" + last + s).items() if o != "a" + last + chr(c)}
    after = {c for c, o in normalized_lines(nfd, lambda s: "a" + s + grave).items() if o != "a" + chr(c) + grave}
    marks = {c for c in marks | after if forms["NFD"][c] == chr(c)}
    below = {}
    for value in classes:
        mark = representative[value]
        for c in marks:
            if nfd.normalize_str("a" + chr(c) + mark) != "a" + chr(c) + mark:
                below.setdefault(c, []).append(value)
    result = {}
    for c in sorted(marks):
        passed = below.get(c, [])
        check(passed == classes[: len(passed)], "combining classes are ordered at U+%04X" % c)
        check(len(passed) < len(classes), "no class above the highest known one")
        result[c] = classes[len(passed)]
    return result


def composition_pairs(forms):
    """{(first, second): composite} for which NFC composes, Hangul aside."""
    pairs = {}
    nfc = normalizers.NFC()
    for c in CODE_POINTS:
        parts = unicodedata.decomposition(chr(c)).split()
        if len(parts) != 2 or parts[0].startswith("<"):
            continue
        first, second = (int(p, 16) for p in parts)
        if nfc.normalize_str(chr(first) + chr(second)) == chr(c):
            pairs[first, second] = c
    for c in CODE_POINTS:
        if len(forms["NFD"][c]) > 1 and forms["NFC"][c] == chr(c) and not 0xAC00 <= c < 0xD7A4:
            check(c in pairs.values(), "U+%04X composes but no pair is known" % c)
    return pairs


def decompositions():
    forms = {
        name: normalized_lines(getattr(normalizers, name)(), lambda s: s)
        for name in ("NFD", "NFKD", "NFC", "NFKC")
    }
    return forms


# --- grapheme clusters ----------------------------------------------------------------------------


def counting_precompiled():
    """A Precompiled normalizer that answers one X for a grapheme cluster under 6 bytes and one X for
    each character of a longer one: its trie knows every lead byte but the line feed."""
    units = [0] * 512
    for byte in range(1, 256):
        if byte != 0x0A:
            units[byte] = byte | 1 << 8 | 256 << 10
    trie = struct.pack("<512I", *units)
    return normalizers.Precompiled(struct.pack("<I", len(trie)) + trie + b"X\0")


def counts(make):
    lines = normalized_lines(counting_precompiled(), make, (0x00, 0x0A, 0x0D))
    return {c: len(out) for c, out in lines.items()}


GRAPHEME_CLASSES = "Other Control Extend SpacingMark Prepend ExtPict L V T LV LVT RI ZWJ CR LF".split()


def grapheme_classes():
    """({c: class}, {c: indic conjunct class}): only what the Precompiled normalizer can show."""
    acute, zwj, copyright_sign, virama, ka = "\u0301", "\u200d", "\u00a9", "\u094d", "\u0915"
    attached = {c for c, n in counts(lambda s: "a" + s).items() if n == 1}
    prepend = {c for c, n in counts(lambda s: s + "a").items() if n == 1}
    # An accent that does not attach is a cluster of its own; one that does makes 6 bytes or more.
    apart = {c for c, n in counts(lambda s: s + acute + acute).items() if n == 2 and c >= 0x80}
    apart |= {c for c, n in counts(lambda s: s + acute).items() if n == 2 and c < 0x80}
    pictographs = {c for c, n in counts(lambda s: copyright_sign + zwj + s + acute).items() if n == 4}
    extend = {
        c for c, n in counts(lambda s: copyright_sign + s + zwj + copyright_sign + acute).items() if n == 5
    }
    consonant = {c for c, n in counts(lambda s: s + virama + ka + acute).items() if n == 4}
    linker = {c for c, n in counts(lambda s: ka + s + ka + acute).items() if n == 4}
    joiner = {c for c, n in counts(lambda s: ka + s + virama + ka + acute).items() if n == 5}
    classes = {}
    for c in CODE_POINTS:
        if c in (0x0D, 0x0A):
            name = "CR" if c == 0x0D else "LF"
        elif c == 0x200D:
            name = "ZWJ"
        elif 0x1F1E6 <= c <= 0x1F1FF:
            name = "RI"
        elif 0x1100 <= c <= 0x115F or 0xA960 <= c <= 0xA97C:
            name = "L"
        elif 0x1160 <= c <= 0x11A7 or 0xD7B0 <= c <= 0xD7C6:
            name = "V"
        elif 0x11A8 <= c <= 0x11FF or 0xD7CB <= c <= 0xD7FB:
            name = "T"
        elif 0xAC00 <= c < 0xD7A4:
            name = "LV" if (c - 0xAC00) % 28 == 0 else "LVT"
        elif c in attached:
            name = "Extend" if c in extend else "SpacingMark"
        elif c in apart or c == 0:
            name = "Control"
        elif c in prepend:
            name = "Prepend"
        elif c in pictographs:
            name = "ExtPict"
        else:
            name = "Other"
        classes[c] = name
    conjunct = {}
    for c in CODE_POINTS:
        if c in linker:
            conjunct[c] = "Linker"
        elif c in joiner and c in attached:
            conjunct[c] = "InCBExtend"
        elif c in consonant and classes[c] == "Other":
            conjunct[c] = "Consonant"
    return classes, conjunct
