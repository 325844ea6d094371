"""Media types by the ending of a file's name.

Theory: what a browser does with a file is decided by its Content-Type, and a file has none. The
table is a value: whoever needs another adds to a copy of it. It is not that of the machine
(`mimetypes`), which differs from one to the next.

Rules: the last ending counts, in lower case; a name without one that is known is
`application/octet-stream`, which a browser saves and never runs. Text is UTF-8, and says so. It
does not look into files.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

OCTETS: Final = "application/octet-stream"

_TEXT: Final = (
    "html text/html,htm text/html,css text/css,js text/javascript,mjs text/javascript,"
    "txt text/plain,text text/plain,log text/plain,ini text/plain,conf text/plain,"
    "py text/x-python,c text/x-c,h text/x-c,rs text/x-rust,sh text/x-sh,md text/markdown,"
    "rst text/x-rst,csv text/csv,tsv text/tab-separated-values,ics text/calendar,"
    "vcf text/vcard,vtt text/vtt,xml text/xml,xsl text/xml,toml application/toml,"
    "yaml application/yaml,yml application/yaml"
)
_OTHERS: Final = (
    "json application/json,map application/json,jsonl application/jsonl,"
    "geojson application/geo+json,jsonld application/ld+json,ipynb application/json,"
    "webmanifest application/manifest+json,wasm application/wasm,pdf application/pdf,"
    "rss application/rss+xml,atom application/atom+xml,xhtml application/xhtml+xml,"
    "svg image/svg+xml,png image/png,jpg image/jpeg,jpeg image/jpeg,gif image/gif,"
    "webp image/webp,avif image/avif,jxl image/jxl,bmp image/bmp,ico image/x-icon,"
    "tif image/tiff,tiff image/tiff,heic image/heic,"
    "mp4 video/mp4,m4v video/mp4,webm video/webm,ogv video/ogg,mov video/quicktime,"
    "mkv video/x-matroska,avi video/x-msvideo,mpeg video/mpeg,mpg video/mpeg,ts video/mp2t,"
    "m3u8 application/vnd.apple.mpegurl,mpd application/dash+xml,"
    "mp3 audio/mpeg,m4a audio/mp4,aac audio/aac,oga audio/ogg,ogg audio/ogg,opus audio/ogg,"
    "flac audio/flac,wav audio/wav,weba audio/webm,mid audio/midi,"
    "woff font/woff,woff2 font/woff2,ttf font/ttf,otf font/otf,eot application/vnd.ms-fontobject,"
    "zip application/zip,gz application/gzip,tgz application/gzip,br application/x-brotli,"
    "zst application/zstd,bz2 application/x-bzip2,xz application/x-xz,tar application/x-tar,"
    "7z application/x-7z-compressed,rar application/vnd.rar,jar application/java-archive,"
    "epub application/epub+zip,rtf application/rtf,"
    "doc application/msword,xls application/vnd.ms-excel,ppt application/vnd.ms-powerpoint,"
    "docx application/vnd.openxmlformats-officedocument.wordprocessingml.document,"
    "xlsx application/vnd.openxmlformats-officedocument.spreadsheetml.sheet,"
    "pptx application/vnd.openxmlformats-officedocument.presentationml.presentation,"
    "odt application/vnd.oasis.opendocument.text,"
    "ods application/vnd.oasis.opendocument.spreadsheet,"
    "odp application/vnd.oasis.opendocument.presentation,"
    "glb model/gltf-binary,gltf model/gltf+json,stl model/stl,"
    "sqlite application/vnd.sqlite3,parquet application/vnd.apache.parquet"
)


def _table(rows: str, suffix: str) -> dict[str, str]:
    """The media types of rows like `html text/html`, each with this at its end."""
    pairs = [row.split(" ") for row in rows.split(",")]
    return {f".{ending}": media_type + suffix for ending, media_type in pairs}


MIME_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    _table(_TEXT, "; charset=utf-8") | _table(_OTHERS, "")
)
"""Media types by ending, the dot included."""


def media_type_of(name: str, types: Mapping[str, str] = MIME_TYPES) -> str:
    """The media type of a file with this name, by a table of endings."""
    _, dot, ending = name.rpartition(".")
    return types.get(f".{ending.lower()}", OCTETS) if dot else OCTETS
