"""Text the small tokenizers are trained on and the recorded cases are made of.

Written for this project; nothing here comes from a data set.
"""

import random

HAND_WRITTEN = """
The lighthouse keeper counted the ships before breakfast.
A small boat left the harbour at dawn and came back at dusk.
Nobody in the village remembered who had planted the old walnut tree.
She measured the flour, the sugar and the butter, then forgot the salt.
It rained for three days, so the river rose above the lower bridge.
How many apples fit into a basket of that size?
Please send the invoice to the office in Geneva, not to the warehouse.
The train to Lyon leaves at 7:45 from platform 12.
His answer was short, honest and completely wrong.
They paid 1,250 euros for a bicycle that cost 3,400 last year.
Don't touch the kettle; it's still hot!
We're reading the report (pages 14-22) this afternoon.
The film was dull, but the music was wonderful.
What a terrible, noisy, overpriced restaurant.
I would happily stay at this hotel again: quiet rooms and friendly staff.
The battery lasts two hours at best, which is disappointing.
Maria Keller works for Northwind Bank in Zurich.
John Abara flew from Lagos to Oslo with Anna Lindqvist.
The University of Porto opened a new laboratory near the Douro.
Professor Ilse Brandt lives in Hamburg and teaches in Bremen.
The company Blue Heron Ltd. was founded in Cork by Sean Murphy.
On Tuesday the mayor of Kyoto met engineers from Tallinn.
The capital of Norway is Oslo.
The museum was built in 1887 by the architect Clara Weiss.
The bridge over the river is 420 metres long and 18 metres wide.
Water boils at 100 degrees Celsius at sea level.
The moon is about 384,400 kilometres from the earth.
A sieve separates fine sand from small stones.
The fastest runner finished in 9.98 seconds.
An email to info@example.org bounced; see https://example.org/help?id=7 for help.
def add(a, b): return a + b  # no overflow here
for (int i = 0; i < n; ++i) { sum += x[i] * y[i]; }
unbelievably, the counterrevolutionaries misunderstood the internationalization
restlessness, kindness, happiness, darkness, weakness and other nouns
playing, played, plays, player, replay, replaying, playground
Le chat dort sur le canapé près de la fenêtre.
Nous avons mangé une crème brûlée à l'hôtel de l'Étoile.
L'été dernier, Hélène a visité Besançon et Orléans.
Où est la bibliothèque, s'il vous plaît ?
Ça coûte vingt-cinq francs, n'est-ce pas ?
Le facteur de Genève apporte une lettre à François.
Der Zug nach München fährt um halb sieben ab.
Die Straße ist heute wegen Bauarbeiten gesperrt.
Können Sie mir bitte sagen, wie spät es ist?
Übermorgen fährt Jürgen mit Käthe nach Köln.
Donaudampfschifffahrtsgesellschaft ist ein sehr langes Wort.
El niño come una manzana roja en la cocina.
¿Dónde está la estación de autobuses más cercana?
¡Qué sorpresa! Mañana llega mi hermana de Bogotá.
La città vecchia è piena di piccole botteghe.
Perché il treno per Torino è sempre in ritardo?
O pão de queijo está pronto, disse a avó.
São Paulo e Coimbra são cidades muito diferentes.
De fiets staat naast de kerk in Utrecht.
Hunden sover under bordet i köket.
Kissa istuu ikkunalla ja katsoo lintuja.
Kot śpi na łóżku, a pies pilnuje domu w Łodzi.
Příliš žluťoučký kůň úpěl ďábelské ódy.
Kedi pencerenin önünde uyuyor, İstanbul yağmurlu.
Con mèo ngủ trên ghế sô pha gần cửa sổ.
Собака спит у двери, а кошка смотрит в окно.
Поезд из Москвы прибывает в семь часов вечера.
Мария живёт в Новосибирске и работает врачом.
Книга лежит на столе рядом с лампой.
Η γάτα κοιμάται δίπλα στο παράθυρο.
Το τρένο για τη Θεσσαλονίκη φεύγει στις οκτώ.
القطة تنام بجانب النافذة.
وصل القطار إلى القاهرة في الساعة السابعة.
الكتاب على الطاولة قرب المصباح.
החתול ישן ליד החלון.
הרכבת לירושלים יוצאת בשבע.
बिल्ली खिड़की के पास सो रही है।
रेलगाड़ी दिल्ली सात बजे पहुँचती है।
แมวนอนอยู่ข้างหน้าต่าง
รถไฟไปเชียงใหม่ออกเจ็ดโมง
猫在窗边睡觉。
火车七点到达北京。
书在桌子上，灯在旁边。
我们明天去上海看朋友。
猫は窓のそばで寝ています。
電車は七時に東京に着きます。
本は机の上にあります。
カタカナとひらがなと漢字を読む。
고양이가 창문 옆에서 자고 있어요.
기차는 일곱 시에 서울에 도착합니다.
책은 탁자 위에 있습니다.
Thank you 😀 see you soon 👍🏽 at the 🏠!
🎉🎉 happy birthday 🎂 to 👩‍👩‍👧 from 🇨🇭
The sum is ½ + ¼ = ¾, and x² + y² = z².
ﬁne ﬂour and ﬃne print in ＡＢＣ full width １２３
"""

_SUBJECTS = [
    "the baker", "a young doctor", "my neighbour", "the old fisherman", "our teacher", "the engineer",
    "an honest lawyer", "the night guard", "a quiet child", "the gardener", "Anna Lindqvist",
    "John Abara", "Maria Keller", "the librarian",
]
_VERBS = [
    "bought", "repaired", "painted", "forgot", "found", "described", "measured", "sold", "carried",
    "opened", "remembered", "praised", "hated", "borrowed",
]
_OBJECTS = [
    "a wooden chair", "the red bicycle", "two heavy boxes", "an old map", "the broken clock",
    "a bag of flour", "the green door", "three letters", "a silver spoon", "the long report",
    "a pair of gloves", "the kitchen table",
]
_PLACES = [
    "in Oslo", "near the harbour", "at the station", "in Geneva", "behind the church", "in Kyoto",
    "on the bridge", "at Northwind Bank", "in the library", "in Porto", "beside the river",
]
_TIMES = [
    "yesterday", "in the morning", "on Tuesday", "last winter", "before noon", "in 1987", "at 7:45",
    "after the storm", "three weeks ago", "during the holidays",
]


def sentence(rng: random.Random) -> str:
    """One plain English sentence from the word lists above."""
    words = [rng.choice(part) for part in (_SUBJECTS, _VERBS, _OBJECTS, _PLACES, _TIMES)]
    text = " ".join(words)
    return text[0].upper() + text[1:] + "."


def lines() -> list[str]:
    """The training text: the hand-written lines and 400 sentences made with a fixed seed."""
    rng = random.Random(20240)
    return HAND_WRITTEN.strip().split("\n") + [sentence(rng) for _ in range(400)]


def paragraph(count: int, seed: int) -> str:
    """`count` sentences made with `seed`, one space between them."""
    rng = random.Random(seed)
    return " ".join(sentence(rng) for _ in range(count))
