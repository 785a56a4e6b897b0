"""The files that `optigate new` writes: valid as they are, what else may be set in comments."""

import json
from collections.abc import Sequence

PARTNER = """\
# A partner of the sessions service: python -m sessions_svc load {file}
# Loading it again changes nothing; what is not in the file any more is removed from the partner.

[[partners]]
account = {account}
# Sessions may name these stores, while they are enabled.
stores = [{stores}]
# Keys of the lens products that the partner has mapped.
products = []
# Eligibility limits, where they differ from the default; powers in dioptres.
# limits = {{ min_age = 21, max_sphere = 4.0, regions = ["IL", "CA-ON"] }}
{endpoint}
"""
LAB = """\
# A lab of the orders service: python -m orders_svc load {file}
# Loading it again changes nothing; the catalog is replaced as a whole.

[[labs]]
id = {id}
name = {name}

[labs.settings]
frame_handling_options = ["Frame to Come", "Lenses Only"]
frame_materials = ["Metal", "Zyl"]
mounting_options = ["Edged & Mount", "Uncuts Only"]
order_types = ["rx", "frame"]
redo_types = ["Remake", "Warranty"]
services = ["Roll & Polish Edges"]
# Minutes in which a submitted order can still be edited and cancelled:
# hold_minutes = 5

# The catalog: replace these examples by the lab's own.
[[labs.styles]]
id = "single_vision"
name = "Single Vision"
lens_type = "single_vision"  # or multifocal

[[labs.materials]]
id = "cr39"
name = "CR-39"
styles = ["single_vision"]
coats = ["ar"]
tints = []

[[labs.coats]]
id = "ar"
name = "Anti-Reflective Coating"
type = "ar"  # ar, mirror, scratch or uv

# Who orders from it: a client's account, `python -m orders_svc accounts add my-client`, and
# `python -m orders_svc users add ann@shop.example --account my-client --lab {lab}=1234567`.
"""
MERCHANT = """\
# A merchant of the subscriptions service: python -m subscriptions_svc load {file}
# Loading it again changes nothing; stores and endpoint are replaced as a whole.

[[merchants]]
id = {id}
# The shop's name, its terms, and how shoppers reach it, on the page behind a cart link:
name = {name}
# terms_url = "https://shop.example/terms"
# phone = "+34 900 123 456"
# email = "help@shop.example"
store_refs = [{stores}]
country = {country}
currency = {currency}
locale = {locale}
time_zone = {time_zone}
# The most that a shopper may owe, in minor units of the currency:
amount_limit = 150000
# Days of consumer law in which returned items cost nothing; 0 for none:
withdrawal_days = 14
# Whether boxes go out without a valid prescription on file: none, warn or require.
prescription_policy = "none"
# Whether exchanges are allowed before the first anniversary:
first_year_exchanges = true
{endpoint}

# The account that acts for the merchant.
[[references]]
account = {account}
merchants = [{id}]
"""
NO_ENDPOINT = """\
# Where events are sent; `events secret {owner}` prints the secret of their signatures.
# endpoint = {{ url = "https://{owner}.example/events" }}"""
ENDPOINT = """\
# Where events are sent; `events secret {owner}` prints the secret of their signatures.
endpoint = {{ url = {url} }}"""


def quote(text: str) -> str:
    """Return a TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def escape(text: str) -> str:
    """Return a text for a comment, on one line."""
    return quote(text)[1:-1]


def list_stores(ids: Sequence[str]) -> str:
    """Return the stores of a partner, as entries of a list."""
    return "".join(
        f"\n    {{ id = {quote(each)}, enabled = true }}," for each in ids
    ) + "\n" * bool(ids)


def describe_endpoint(owner: str, url: str | None) -> str:
    """Return the line of an endpoint, in a comment where there is none."""
    if url is None:
        return NO_ENDPOINT.format(owner=escape(owner))
    return ENDPOINT.format(owner=escape(owner), url=quote(url))
