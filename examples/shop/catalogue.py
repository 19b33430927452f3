"""The shop's products."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Art:
    """The colours of a product's picture, and the shape of the dry tea."""

    ground: str
    hill: str
    liquor: str
    leaf: str
    shape: str


@dataclass(frozen=True)
class Product:
    """One product. The price is an integer in fen, because sums of floats are inexact."""

    slug: str
    name: str
    chinese: str
    place: str
    unit: str
    price_fen: int
    stock: int
    taste: str
    story: str
    brewing: str
    art: Art

    @property
    def title(self) -> str:
        return f"{self.name} ({self.chinese})"


_PRODUCTS = (
    Product(
        slug="dragon-well",
        name="Dragon Well",
        chinese="龙井",
        place="Hangzhou, Zhejiang",
        unit="100 g",
        price_fen=8800,
        stock=40,
        taste="Chestnut, fresh peas, a long sweet finish.",
        story="Picked before the Qingming festival and pressed flat by hand in a warm iron pan, "
        "a few handfuls at a time.",
        brewing="80 °C, 3 g to a glass, two minutes",
        art=Art("#e4ecd9", "#7f9f6b", "#c9cf7a", "#5f8a4a", "blade"),
    ),
    Product(
        slug="white-peony",
        name="White Peony",
        chinese="白牡丹",
        place="Fuding, Fujian",
        unit="75 g",
        price_fen=9600,
        stock=24,
        taste="Meadow flowers, melon, a little honey.",
        story="One silver bud and two leaves, withered in the sun and otherwise left alone.",
        brewing="85 °C, 4 g to a pot, three minutes",
        art=Art("#efece0", "#b3b08c", "#e3cf93", "#8f9a74", "bud"),
    ),
    Product(
        slug="iron-goddess",
        name="Iron Goddess",
        chinese="铁观音",
        place="Anxi, Fujian",
        unit="125 g",
        price_fen=12800,
        stock=30,
        taste="Orchid, butter, mountain air.",
        story="A light oolong, rolled into tight green pearls that open over seven infusions.",
        brewing="95 °C, 6 g to a gaiwan, half a minute",
        art=Art("#dfeae4", "#6d9a8a", "#d8c767", "#3f7360", "pearl"),
    ),
    Product(
        slug="big-red-robe",
        name="Big Red Robe",
        chinese="大红袍",
        place="Wuyi Mountains, Fujian",
        unit="50 g",
        price_fen=16800,
        stock=12,
        taste="Charcoal, dark fruit, wet stone.",
        story="Grown in the clefts of the cliffs and roasted three times over slow embers.",
        brewing="100 °C, 8 g to a gaiwan, ten seconds",
        art=Art("#f1e1d6", "#b07c63", "#a8552b", "#6b4030", "twist"),
    ),
    Product(
        slug="keemun",
        name="Keemun",
        chinese="祁门红茶",
        place="Qimen, Anhui",
        unit="100 g",
        price_fen=7200,
        stock=36,
        taste="Cocoa, roses, a wisp of pine.",
        story="The black tea of the south of Anhui: thin, tippy and mild enough for the afternoon.",
        brewing="90 °C, 3 g to a pot, three minutes",
        art=Art("#f3e3da", "#bd8a76", "#b4431f", "#4c342c", "twist"),
    ),
    Product(
        slug="ripe-pu-erh",
        name="Ripe Pu-erh",
        chinese="熟普洱",
        place="Menghai, Yunnan",
        unit="357 g cake",
        price_fen=19800,
        stock=16,
        taste="Earth after rain, dates, liquorice.",
        story="Heaped, turned and rested, then pressed into a cake that goes on ripening with you.",
        brewing="100 °C, 7 g to a pot, rinse once, twenty seconds",
        art=Art("#e9ded5", "#97796a", "#5b2b1c", "#4a3128", "cake"),
    ),
    Product(
        slug="jasmine-pearls",
        name="Jasmine Pearls",
        chinese="茉莉龙珠",
        place="Fuzhou, Fujian",
        unit="100 g",
        price_fen=10800,
        stock=28,
        taste="A summer evening with the window open.",
        story="Green tea laid in fresh jasmine for six nights; the flowers are taken out again.",
        brewing="85 °C, 3 g to a glass, two minutes",
        art=Art("#e3e9ec", "#8ba3a8", "#dcd58d", "#6f8d80", "blossom"),
    ),
    Product(
        slug="gaiwan",
        name="Gaiwan",
        chinese="盖碗",
        place="Jingdezhen, Jiangxi",
        unit="120 ml",
        price_fen=13800,
        stock=9,
        taste="White porcelain, thin enough for the light to come through.",
        story="Saucer, bowl and lid: heaven, earth and, between them, whoever drinks.",
        brewing="Warm it with hot water first; hold it by the rim",
        art=Art("#e2e5ec", "#8d97ad", "#d9c98b", "#3f5b8c", "lid"),
    ),
)

#: All products by slug, in the order of the shop's page.
CATALOGUE = {product.slug: product for product in _PRODUCTS}
