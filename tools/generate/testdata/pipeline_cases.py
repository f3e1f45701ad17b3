"""Inputs of the recorded pipelines: texts and parameters, no library calls."""

import corpus

NER_TEXTS = [
    "Maria Keller works for Northwind Bank in Zurich.",
    "John Abara flew from Lagos to Oslo with Anna Lindqvist.",
    "Hélène a visité Besançon, Orléans et São Paulo l'été dernier.",
    "Übermorgen fährt Jürgen mit Käthe nach Köln (nicht nach München)!",
    "Мария живёт в Новосибирске и работает врачом.",
    "猫は窓のそばで寝ています。東京 と 上海",
    "counterrevolutionaries misunderstood internationalization",
    "e-mail: info@example.org; see https://example.org/help?id=7...",
    "😀 Anna 👍🏽 Keller 👩‍👩‍👧 in 🇨🇭 Geneva",
    "  leading and   double spaces ,and odd punctuation ;( here ) ",
    "O'Brien-Smith's",
    "",
]
NER_STRATEGIES = ["none", "simple", "first", "average", "max"]
NER_LONG = corpus.paragraph(10, 21)

TEXTS = [
    "What a terrible, noisy, overpriced restaurant.",
    "I would happily stay at this hotel again: quiet rooms and friendly staff.",
    "Le café près de l'église ferme à 18 h.",
    "猫は窓のそばで寝ています。 😀",
    "",
]
PAIR = {"text": "Where is the cat?", "text_pair": "The cat sleeps near the window in Oslo."}
LONG = corpus.paragraph(20, 22)

QA_SHORT = [
    ("Who works in Zurich?", "Maria Keller works for Northwind Bank in Zurich."),
    ("Where did Hélène go?", "L'été dernier, Hélène a visité Besançon et Orléans; Jürgen est resté à Köln."),
    ("猫はどこ？", "猫は窓のそばで寝ています。 Кот спит 😀 дома. The cat sleeps."),
    ("How long is the bridge?", "  The bridge over the river is 420 metres long   and 18 metres wide.\n\nIt was built in 1887."),
    ("Why?", "Because."),
]
QA_LONG = ("What did Anna Lindqvist buy?", corpus.paragraph(24, 23))
QA_PARAMETERS = [
    {},
    {"top_k": 3},
    {"top_k": 3, "max_answer_len": 3},
    {"handle_impossible_answer": True},
    {"top_k": 4, "handle_impossible_answer": True},
    {"align_to_words": False, "top_k": 2},
]
QA_LONG_PARAMETERS = [
    {"top_k": 3},
    {"top_k": 3, "max_seq_len": 48, "doc_stride": 16},
    {"top_k": 5, "max_seq_len": 64, "doc_stride": 24, "max_answer_len": 5},
    {"max_seq_len": 40, "doc_stride": 8, "handle_impossible_answer": True},
]

RERANK_QUERY = "Where does the cat sleep?"
RERANK_DOCUMENTS = [
    "The cat sleeps near the window.",
    "The train to Lyon leaves at 7:45 from platform 12.",
    "Собака спит у двери, а кошка смотрит в окно.",
    "",
    "Water boils at 100 degrees Celsius at sea level.",
    corpus.paragraph(12, 24),
]


def fill_mask_cases(mask: str, words: list[str]) -> list[dict]:
    """Calls of the fill-mask pipeline; `words` are targets that the vocabulary holds."""
    one = f"The cat sleeps near the {mask} in Oslo."
    return [
        {"inputs": one, "parameters": {}},
        {"inputs": one, "parameters": {"top_k": 3}},
        {"inputs": one, "parameters": {"targets": words}},
        {"inputs": one, "parameters": {"targets": words, "top_k": 2}},
        {"inputs": f"{mask} lighthouse keeper counted the {mask}.", "parameters": {"top_k": 2}},
        {"inputs": f"猫は{mask}のそばで寝ています。", "parameters": {"top_k": 4}},
        {"inputs": mask, "parameters": {"top_k": 2}},
    ]

ZERO_SHOT_PARAMETERS = [
    {},
    {"multi_label": True},
    {"hypothesis_template": "It is about {}!"},
    {"candidate_labels": ["cats"]},
]
