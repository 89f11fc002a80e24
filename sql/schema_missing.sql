-- Whether there is no schema of a name.
-- param $1 name text
-- column missing bool
select to_regnamespace(quote_ident($1::text)) is null as missing
