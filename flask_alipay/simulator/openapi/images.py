"""The upload of an image for a reply to a complaint: a file of a multipart form.

Source: Alipay's PHP SDK, ``AlipayMerchantImageUploadRequest`` of version 2 and
``AlipayMerchantImageUploadModel`` of version 3, with its error codes.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ...exceptions import InvalidParameter
from ...protocol.validation import check_choice, check_text
from ..replies import ApiError
from .call import ApiCall, Handler, Success

UPLOAD: Final = "alipay.merchant.image.upload"

# As the upload of other images, whose documentation states it (alipay.offline.material.image.upload
# on global.alipay.com).
_MAX_BYTES: Final = 5 * 1024 * 1024
# The bytes with which a file of each image_type begins.
_BEGINNINGS: Final[Mapping[str, bytes]] = MappingProxyType(
    {"jpeg": b"\xff\xd8\xff", "jpg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n"}
)


class ImageService:
    """``alipay.merchant.image.upload``; the simulator keeps no image."""

    def __init__(self) -> None:
        self.methods: Mapping[str, Handler] = {UPLOAD: _upload}


def _upload(call: ApiCall) -> Success:
    # In version 2 it stands beside biz_content.
    image_type = call.content.get("image_type") or call.params.get("image_type", "")
    check_text("image_type", image_type, max_length=8)
    check_choice("image_type", image_type, _BEGINNINGS)
    content = call.files.get("image_content")
    if content is None:
        raise InvalidParameter("image_content", "is required, as a file")
    if len(content) > _MAX_BYTES:
        raise ApiError("IMAGE_SIZE_OVERRANGE")
    if not content.startswith(_BEGINNINGS[image_type]):
        raise InvalidParameter("image_content", f"is not a file of the type {image_type}")
    return Success({"image_id": secrets.token_urlsafe(24)})
