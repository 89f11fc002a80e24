-- The columns of the table reviews as they are; no row if there is no such table.
-- column name text
-- column type text: as PostgreSQL writes it
-- column not_null bool
-- column in_key bool: part of the primary key
select a.attname::text as name,
       format_type(a.atttypid, a.atttypmod) as type,
       a.attnotnull as not_null,
       coalesce(a.attnum = any (k.conkey), false) as in_key
from pg_catalog.pg_attribute a
left join pg_catalog.pg_constraint k on k.conrelid = a.attrelid and k.contype = 'p'
where a.attrelid = to_regclass('reviews') and a.attnum > 0 and not a.attisdropped
order by a.attnum
