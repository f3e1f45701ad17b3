"""Hostile text for the tokenizers: every plane, marks, scripts, emoji, controls, added tokens.

Everything is drawn from a fixed seed, so that the same lines come out everywhere.
"""

import random

import corpus

# Words a small vocabulary can learn, a script each: the pieces are combined into longer words.
SYLLABLES = {
    "latin": "tion er st qu\u00e9 \u00fcber na\u00efve \u0153uvre \u00c5ngstr\u00f6m stra\u00dfe \u0130stanbul \u0131s\u0131 \u0141\u00f3d\u017a vi\u1ec7t \u1e9eSS \ufb01n \u01c5ep",
    "greek": "\u03ba\u03b1\u03b9 \u03c4\u03bf \u03bb\u03cc\u03b3\u03bf\u03c2 \u03a3\u03a3 \u039f\u0394\u039f\u03a3 \u1f04\u03bd\u03b8\u03c1\u03c9\u03c0\u03bf\u03c2 \u1fb3 \u0390",
    "cyrillic": "\u0438 \u043d\u0435 \u041c\u043e\u0441\u043a\u0432\u0430 \u0439 \u0451\u0436 \u0457\u0436\u0430\u043a \u0449\u0438 \u0418\u0306 \ua64a \u0460\u0486",
    "hebrew": "\u05e9\u05c1\u05dc\u05d5\u05b9\u05dd \u05d1\u05bc\u05b0\u05e8\u05b5\u05d0\u05e9\u05c1\u05b4\u05d9\u05ea \u05d0\u05b8 \ufb2a \ufb4a \u05f3",
    "arabic": "\u0627\u0644 \u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f \u0643\u062a\u0627\u0628 \u0644\u0627 \ufefb \ufdfa \u0622 \u0627\u0653 \u0640\u0640 \u0660\u0661\u0662 \u06d6 \u06cc",
    "devanagari": "\u0928\u092e\u0938\u094d\u0924\u0947 \u0915\u094d\u0937 \u0939\u093f\u0928\u094d\u0926\u0940 \u0915\u093c \u0958 \u0967\u0968\u0969 \u0964 \u0930\u094d\u200d\u092f",
    "bengali": "\u09ac\u09be\u0982\u09b2\u09be \u0995\u09cb \u09df \u09a1\u09bc \u09ce \u09e8",
    "tamil": "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd \u0b95\u0bca \u0bcc \u0be7\u0be8 \u0bb8\u0bcd\u0bb0\u0bc0",
    "thai": "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 \u0e01\u0e33 \u0e19\u0e49\u0e33 \u0e40\u0e01\u0e47\u0e1a \u0e50\u0e51 \u0e2f\u0e46",
    "tibetan": "\u0f56\u0f7c\u0f51\u0f0b \u0f43 \u0f73 \u0f0d \u0f20",
    "hangul": "\ud55c\uad6d\uc5b4 \uac00 \uac01 \u1112\u1161\u11ab \u1100\u1161 \uac00\u11a8 \u3131\u314f \ua960\ud7b0 \u115f\u1160",
    "japanese": "\u65e5\u672c\u8a9e \u30ab\u30bf\u30ab\u30ca \u3072\u3089\u304c\u306a \u304b\u3099 \uff76\uff9e \u30fc \u3005 \u3001 \u3002 \u32d0 \u3300",
    "chinese": "\u4e2d\u6587 \u6f22\u5b57 \u9f98 \uf900 \u2f00 \U00020000\U0002a6d6 \U0002f800 \u3007 \uff0c \uff01 \u4e00\u4e8c\u4e09",
    "georgian": "\u10e5\u10d0\u10e0\u10d7\u10e3\u10da\u10d8 \u1c90\u1c91 \u10a0 \u2d00",
    "armenian": "\u0540\u0561\u0575\u0565\u0580\u0565\u0576 \u0587 \ufb13 \u055d",
    "ethiopic": "\u12a0\u121b\u122d\u129b \u1361 \u1369",
    "cherokee": "\u13a0\u13a1 \uab70 \u13f8",
    "mathematical": "\U0001d400\U0001d41b \U0001d7d8\U0001d7e1 \u210c \u2102 \u212b \u2126 \u00b5 \u2460 \u2163 \u00bd \u2153 x\u00b2 \u221e \u2211",
    "old": "\U00010400\U00010428 \U0001e900\U0001e922 \U00010330 \U00011083\U000110ba \U00016e40 \U0001d15e",
}
SPACES = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\u00a0\u1680\u180e\u2000\u2002\u2003\u2007\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
CONTROLS = "\x00\x01\x02\x07\x08\x0e\x1b\x7f\x80\x9f\u00ad\u0600\u061c\u06dd\u070f\u200c\u200d\u200e\u200f\u202a\u202c\u202e\u2066\u2069\u206a\ufff9\ufffb\ufffc\ufffd\U000e0001\U000e0020\U000e007f\U0001d173"
EDGES = "\ud7ff\ue000\uf8ff\ufdd0\ufdef\ufffe\uffff\U0001fffe\U0001ffff\U0002fffe\U000effff\U000f0000\U000ffffd\U00100000\U0010fffd\U0010fffe\U0010ffff"
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u00a1\u00a7\u00ab\u00b6\u00b7\u00bb\u00bf\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u2030\u203d\u2044\u20ac\u00a3\u00a9\u00ae\u2122\u2190\u2212\u25a0\u3008\uff0f\uff5e\u2e3a"
EMOJI = (
    "\U0001f600 \u2764\ufe0f \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 \U0001f1eb\U0001f1f7 \U0001f1fa\U0001f1f8 \U0001f1e6 "
    "\U0001f44d\U0001f3fd 1\ufe0f\u20e3 #\u20e3 \U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f \u00a9\u200d\u00ae "
    "\u263a \u263a\ufe0e \U0001f9d1\U0001f3ff\u200d\U0001f680 \u2708\u200d\u2708 \U0001fae8 \u231b \u3030\ufe0f \u00a9\ufe0f"
).split()
MARKS = "\u0300\u0301\u0302\u0303\u0307\u0308\u030a\u0323\u0327\u0328\u0331\u0338\u0345\u035c\u0360\u034f\u0483\u0591\u05b0\u05bc\u064b\u0651\u0670\u093c\u094d\u0bd7\u0e38\u0e48\u0f71\u0f72\u1ab0\u1dce\u20d0\u20dd\u302a\u3099\u309a\ufe20\ufe0f\U0001d165\U0001d16d\U0001e8d0"
FRAGMENTS = (
    "[MASK] [CLS] [SEP] [UNK] [PAD] [mask] [Mask] [MASK [MAS MASK] ]MASK[ <s> </s> <unk> <pad> <mask> <MASK> <mask <|endoftext|> "
    "<|endof lefty righty both single Normal NORMAL \u00c9t\u00e9 \u00e9t\u00e9 ETE e\u0301te\u0301 ##ing ## \u2581 \u2581\u2581 \u0120 <0x41> <0x0A> <0xE4> @@ </w> "
    "[unused1] [unused2]a x1single single_ lefty. \u4e00single\u4e00 dog cat a b 1"
).split()
CODE = (
    "def f(x):\n\treturn x**2  # squared|for(int i=0;i<n;++i){a[i]+=1;}|SELECT * FROM t WHERE a='b';|https://example.org/a/b?c=d&e=%20f#g|"
    "user.name+tag@mail.example.co.uk|/usr/local/lib/x86_64-linux-gnu/libfoo.so.1.2.3|C:\\Users\\me\\file.txt|{\"key\": [1, 2.5, null]}|"
    "0xDEADBEEF|1e-10|3.14159|1,234,567.89|$12.50|+1 (555) 010-9999|2024-02-29T23:59:60Z|127.0.0.1:8080|::1|v1.2.3-rc.4|"
    "don't can't we'll I'm they've she'd it's y'all DON'T I'LL 'Tis rock'n'roll|a.b.c...d|--flag=value -x|snake_case camelCase PascalCase|"
    "<div class=\"a\">&nbsp;</div>|\\frac{1}{2}|10\u202f000\u00a0\u20ac|100%|#hashtag @mention|C++ C# F#|    indented\n\n\n  twice|\r\nwindows\r\n"
).split("|")


def _word(rng):
    script = rng.choice(sorted(SYLLABLES))
    parts = SYLLABLES[script].split()
    return "".join(rng.choice(parts) for _ in range(rng.choice((1, 1, 1, 2, 3))))


def _any_code_point(rng):
    """Weighted: mostly where characters are assigned."""
    low, high = rng.choice(
        ((0, 0x7F), (0x80, 0x24F), (0x250, 0x1FFF), (0x2000, 0x2BFF), (0x2C00, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x1FFFF), (0x20000, 0x10FFFF))
    )
    return chr(rng.randint(low, high))


def planes():
    """Every code point of the basic plane, most of plane 1, samples of the others, 64 a line."""
    starts = [c for c in range(0, 0x10000, 64) if not 0xD800 <= c < 0xE000]
    starts += list(range(0x10000, 0x12600, 64)) + list(range(0x16800, 0x17000, 64)) + list(range(0x1AFC0, 0x1FC00, 64))
    rng = random.Random(1)
    starts += [rng.randrange(0x20000, 0x110000, 64) for _ in range(120)]
    for start in starts:
        yield "".join(chr(c) for c in range(start, start + 64))
    for plane in range(17):
        yield "".join(chr(plane * 0x10000 + c) for c in (0xFFFD, 0xFFFE, 0xFFFF, 0, 1, 2))


def words(rng, count):
    for _ in range(count):
        separators = rng.choice((" ", " ", "  ", "", "\u00a0", "\u3000", "-", ", ", "\u200b", "\n"))
        yield separators.join(_word(rng) for _ in range(rng.randint(1, 7)))


def marks(rng, count):
    for _ in range(count):
        out = ""
        for _ in range(rng.randint(1, 8)):
            out += rng.choice(("a", "e", "o", "\u1ea5", "\u0915", "\u4e2d", "\uac00", "\u1100", " ", "1", ".", "", _any_code_point(rng)))
            out += "".join(rng.choice(MARKS) for _ in range(rng.randint(0, 5)))
        yield out


def mixture(rng, count, pools, longest):
    """Pieces of any of `pools` (lists or strings), with or without spaces."""
    for _ in range(count):
        space = rng.choice(("", " ", None))
        parts = [rng.choice(rng.choice(pools)) for _ in range(rng.randint(1, longest))]
        yield parts[0] + "".join((rng.choice(("", " ", "  ")) if space is None else space) + p for p in parts[1:])


def mutated(rng, count):
    sources = corpus.lines()
    for _ in range(count):
        text = list(rng.choice(sources)[: rng.randint(1, 90)])
        for _ in range(rng.randint(0, 6)):
            at = rng.randrange(len(text) + 1)
            what = rng.choice((SPACES, CONTROLS, EDGES, PUNCTUATION, MARKS, EMOJI, FRAGMENTS, "A\u00c9\u0130\u03a3", "0123456789"))
            text[at : at + rng.randint(0, 2)] = [rng.choice(what)]
        line = "".join(text)
        yield rng.choice((line, line, line, line.upper(), line.title(), line.swapcase()))


def random_lines(rng, count):
    for _ in range(count):
        yield "".join(_any_code_point(rng) for _ in range(rng.randint(1, 24)))


def one_character(rng, count):
    """A character between letters, alone, doubled, and beside spaces."""
    pool = sorted({c for c in SPACES + CONTROLS + EDGES + PUNCTUATION + MARKS})
    for i in range(count):
        c = pool[i] if i < len(pool) else _any_code_point(rng)
        yield f"a{c}b {c} {c}{c} 1{c}2{c}"


def repeated():
    """(piece, count): long words and runs, stored as rules."""
    for piece in ("a", "ab", "the ", " ", "\n", "\u4e2d", "\u0301", "e\u0301", "\U0001f600", "9", "!", "[MASK]", "\uac00", "\u0e01\u0e33", "\u2581", "'s", "\x00"):
        yield piece, 2000
    for piece in ("a", "abcdefghij", "\u00e9", "\u65e5\u672c", "0123456789", "walnut", "=", "\u00a0"):
        yield piece, 100_000 // len(piece.encode())


def lines():
    """All lines but the repeated ones, without duplicates, in a fixed order."""
    rng = random.Random(20240229)
    texts = ["", " ", "a", "\n", "  ", " a", "a ", " a ", "\u2581", "\u00a0", "\ufeff", "\x00"]
    texts += corpus.lines()[:400]
    texts += planes()
    texts += words(rng, 4200)
    texts += marks(rng, 2000)
    texts += one_character(rng, 1800)
    texts += mixture(rng, 900, [EMOJI, EMOJI, "ab ", [" "], SPACES], 8)
    texts += mixture(rng, 1800, [SPACES, CONTROLS, "ab1.", PUNCTUATION], 12)
    texts += mixture(rng, 3400, [FRAGMENTS, FRAGMENTS, FRAGMENTS, SPACES, PUNCTUATION, "ab"], 7)
    texts += mixture(rng, 1500, [CODE, CODE, PUNCTUATION, "0123456789", FRAGMENTS], 4)
    texts += mutated(rng, 3200)
    texts += random_lines(rng, 2200)
    return list(dict.fromkeys(texts))
