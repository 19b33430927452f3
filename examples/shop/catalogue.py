"""The shop's products."""

from __future__ import annotations

from dataclasses import dataclass

from flask_babel import LazyString, get_locale
from flask_babel import lazy_gettext as _l


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
    """One product, with its texts in the reader's language.

    The price is an integer in fen, because sums of floats are inexact.
    """

    slug: str
    name: str
    chinese: str
    place: LazyString
    unit: LazyString
    price_fen: int
    stock: int
    taste: LazyString
    story: LazyString
    brewing: LazyString
    art: Art

    @property
    def title(self) -> str:
        locale = get_locale()
        if locale is not None and locale.language == "zh":
            return self.chinese
        return f"{self.name} ({self.chinese})"


_PRODUCTS = (
    Product(
        slug="dragon-well",
        name="Dragon Well",
        chinese="龙井",
        place=_l("Hangzhou, Zhejiang"),
        unit=_l("100 g"),
        price_fen=8800,
        stock=40,
        taste=_l("Chestnut, fresh peas, a long sweet finish."),
        story=_l(
            "Picked before the Qingming festival and pressed flat by hand in a warm iron pan, "
            "a few handfuls at a time."
        ),
        brewing=_l("80 °C, 3 g to a glass, two minutes"),
        art=Art("#e4ecd9", "#7f9f6b", "#c9cf7a", "#5f8a4a", "blade"),
    ),
    Product(
        slug="white-peony",
        name="White Peony",
        chinese="白牡丹",
        place=_l("Fuding, Fujian"),
        unit=_l("75 g"),
        price_fen=9600,
        stock=24,
        taste=_l("Meadow flowers, melon, a little honey."),
        story=_l("One silver bud and two leaves, withered in the sun and otherwise left alone."),
        brewing=_l("85 °C, 4 g to a pot, three minutes"),
        art=Art("#efece0", "#b3b08c", "#e3cf93", "#8f9a74", "bud"),
    ),
    Product(
        slug="iron-goddess",
        name="Iron Goddess",
        chinese="铁观音",
        place=_l("Anxi, Fujian"),
        unit=_l("125 g"),
        price_fen=12800,
        stock=30,
        taste=_l("Orchid, butter, mountain air."),
        story=_l("A light oolong, rolled into tight green pearls that open over seven infusions."),
        brewing=_l("95 °C, 6 g to a gaiwan, half a minute"),
        art=Art("#dfeae4", "#6d9a8a", "#d8c767", "#3f7360", "pearl"),
    ),
    Product(
        slug="big-red-robe",
        name="Big Red Robe",
        chinese="大红袍",
        place=_l("Wuyi Mountains, Fujian"),
        unit=_l("50 g"),
        price_fen=16800,
        stock=12,
        taste=_l("Charcoal, dark fruit, wet stone."),
        story=_l("Grown in the clefts of the cliffs and roasted three times over slow embers."),
        brewing=_l("100 °C, 8 g to a gaiwan, ten seconds"),
        art=Art("#f1e1d6", "#b07c63", "#a8552b", "#6b4030", "twist"),
    ),
    Product(
        slug="keemun",
        name="Keemun",
        chinese="祁门红茶",
        place=_l("Qimen, Anhui"),
        unit=_l("100 g"),
        price_fen=7200,
        stock=36,
        taste=_l("Cocoa, roses, a wisp of pine."),
        story=_l(
            "The black tea of the south of Anhui: thin, tippy and mild enough for the afternoon."
        ),
        brewing=_l("90 °C, 3 g to a pot, three minutes"),
        art=Art("#f3e3da", "#bd8a76", "#b4431f", "#4c342c", "twist"),
    ),
    Product(
        slug="ripe-pu-erh",
        name="Ripe Pu-erh",
        chinese="熟普洱",
        place=_l("Menghai, Yunnan"),
        unit=_l("357 g cake"),
        price_fen=19800,
        stock=16,
        taste=_l("Earth after rain, dates, liquorice."),
        story=_l(
            "Heaped, turned and rested, then pressed into a cake that goes on ripening with you."
        ),
        brewing=_l("100 °C, 7 g to a pot, rinse once, twenty seconds"),
        art=Art("#e9ded5", "#97796a", "#5b2b1c", "#4a3128", "cake"),
    ),
    Product(
        slug="jasmine-pearls",
        name="Jasmine Pearls",
        chinese="茉莉龙珠",
        place=_l("Fuzhou, Fujian"),
        unit=_l("100 g"),
        price_fen=10800,
        stock=28,
        taste=_l("A summer evening with the window open."),
        story=_l(
            "Green tea laid in fresh jasmine for six nights; the flowers are taken out again."
        ),
        brewing=_l("85 °C, 3 g to a glass, two minutes"),
        art=Art("#e3e9ec", "#8ba3a8", "#dcd58d", "#6f8d80", "blossom"),
    ),
    Product(
        slug="gaiwan",
        name="Gaiwan",
        chinese="盖碗",
        place=_l("Jingdezhen, Jiangxi"),
        unit=_l("120 ml"),
        price_fen=13800,
        stock=9,
        taste=_l("White porcelain, thin enough for the light to come through."),
        story=_l("Saucer, bowl and lid: heaven, earth and, between them, whoever drinks."),
        brewing=_l("Warm it with hot water first; hold it by the rim"),
        art=Art("#e2e5ec", "#8d97ad", "#d9c98b", "#3f5b8c", "lid"),
    ),
)

#: All products by slug, in the order of the shop's page.
CATALOGUE = {product.slug: product for product in _PRODUCTS}
