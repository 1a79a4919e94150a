"""A mapping that uses all of the language, for the tests to read and to break."""

LEADS = """
name = "crm_leads"
system = "crm"
personal = ["remark_internal"]
not_personal = ["campaign name"]

[reading]
delimiter = ";"
decimal = ","

[id]
columns = ["number"]
aliases = { erp = "erp_id" }

[blank]
markers = ["", "n/a"]
by_column = { industry = ["Select"] }

[values.source]
map = { "Google Ads" = "paid_search", "Messe" = "events" }
fold_case = true

[values.size]
map = { S = "1-9", M = "10-49" }
otherwise = "refuse"

[values.won]
map = { yes = "true" }
default = "false"

[times.created]
columns = ["created", "imported"]
formats = ["%d.%m.%Y %H:%M", "%d.%m.%Y"]
zone = "Europe/Berlin"

[times.closed]
columns = ["closed"]
formats = ["%d.%m.%Y"]
zone = "Europe/Berlin"
otherwise = "created"

[times.long_ago]
constant = 2020-01-01T00:00:00Z

[[rules]]
name = "captured"
event = "lead.captured"
time = "created"

[rules.data]
source = { column = "source", values = "source" }
campaign = "campaign name"
channel = { value = "web" }

[rules.data.personal]
name = "name"
email = "e-mail"
notes = "remark_internal"

[[rules]]
name = "researched"
event = "lead.enriched"
time = "long_ago"

[rules.data.dimensions]
industry = "industry"
company_size = { column = "size", values = "size" }

[rules.data.fields]
employees = { column = "employees", as = "integer" }
partner = { column = "partner", as = "boolean" }

[[rules]]
name = "bought"
event = "lead.purchased"
time = "closed"
actor = "owner"

[rules.data]
order_id = "number"
amount = { column = "value", as = "money", currency_column = "currency" }
"""

HEADER = (
    "number;created;imported;closed;source;campaign name;name;e-mail;remark_internal;"
    "industry;size;employees;partner;owner;value;currency;erp_id"
)
ROW = (
    "007;02.03.2026 14:30;;05.04.2026;google ads;spring;Ada Example;ada@example.org;call late;"
    "retail;M;25;no;grace;1234,50;EUR;E-9"
)
