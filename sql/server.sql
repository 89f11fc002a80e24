-- What one should know about a connection, and the table as it is described.
-- column server text: the version, such as 18.6
-- column server_number int4: such as 180006
-- column database text
-- column role text
-- column bypasses_rights bool: the role is a superuser, or is exempt from row security
-- column read_only bool: transactions are read-only unless they say otherwise
-- column in_recovery bool: a standby
-- column table_name text: with its schema; null if there is no table reviews on the search path
-- column reads_private bool: the role may read private_review; null without a table
-- column reads_ctid bool: the role may ask where a row lies; null without a table
-- column estimated_reviews float4: from the last ANALYZE; -1 if there was none; null without a table
-- column width float8: bytes a review takes in the table, on average; null without a table
-- column pages int8: of 8 kB; null without a table
-- column indexed bool: there is an index that begins with submitted_at, review_id; null without a table
-- column row_security bool: policies hide rows from this role; null without a table
select current_setting('server_version') as server,
       current_setting('server_version_num')::int4 as server_number,
       current_database()::text as database,
       current_user::text as role,
       (select rolsuper or rolbypassrls from pg_catalog.pg_roles where rolname = current_user) as bypasses_rights,
       current_setting('default_transaction_read_only')::bool as read_only,
       pg_is_in_recovery() as in_recovery,
       c.oid::regclass::text as table_name,
       (select has_column_privilege(c.oid, a.attnum, 'select')
        from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attname = 'private_review') as reads_private,
       has_column_privilege(c.oid, (-1)::int2, 'select') as reads_ctid,
       c.reltuples as estimated_reviews,
       case when c.reltuples > 0 then pg_relation_size(c.oid)::float8 / c.reltuples end as width,
       case when c.oid is not null then pg_relation_size(c.oid) / 8192 end as pages,
       case when c.oid is not null then exists (
           select from pg_catalog.pg_index i
           where i.indrelid = c.oid and i.indisvalid and i.indpred is null
             and pg_get_indexdef(i.indexrelid) ~ '\(submitted_at( DESC)?, review_id( DESC)?\)'
       ) end as indexed,
       row_security_active(c.oid) as row_security
from (select to_regclass('reviews') as oid) found
left join pg_catalog.pg_class c on c.oid = found.oid
