-- Whether changes of the table reviews are announced, and where: see schema/notify.sql.
-- column channel text: null if there is no table reviews on the search path
-- column triggers int8: how many of the four are there and enabled
-- column in_recovery bool: a standby, which takes no LISTEN
select 'reviews.' || case when octet_length(n.nspname) > 55 then md5(n.nspname::text) else n.nspname::text end as channel,
       (select count(*)
        from pg_catalog.pg_trigger t
        join pg_catalog.pg_proc p on p.oid = t.tgfoid
        where t.tgrelid = c.oid and t.tgenabled <> 'D' and p.proname = 'notify_reviews') as triggers,
       pg_is_in_recovery() as in_recovery
from (select to_regclass('reviews') as oid) found
left join pg_catalog.pg_class c on c.oid = found.oid
left join pg_catalog.pg_namespace n on n.oid = c.relnamespace
