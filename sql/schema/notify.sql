-- Has every statement that changes reviews say so to whoever listens; harmless where it is there already.
-- The channel is reviews.<schema>, so tables of several schemas do not mix; a name of more than 55 bytes stands there as
-- its MD5.  The payload is JSON: operation (insert, update, delete, truncate), ids, count, moment; more than 100 ids are
-- one "bulk" with their count.  It never holds a rating or a text, and always fits into the 7,999 bytes of a payload.
-- Commits that notify wait for each other.  To take it out again: drop function notify_reviews() cascade
create or replace function notify_reviews() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
    n    int8;
    ids  uuid[];
begin
    if tg_op = 'INSERT' then
        select count(*), array_agg(review_id) filter (where place <= 100) into n, ids
        from (select review_id, row_number() over () as place from new_rows) changed;
    elsif tg_op = 'DELETE' then
        select count(*), array_agg(review_id) filter (where place <= 100) into n, ids
        from (select review_id, row_number() over () as place from old_rows) changed;
    elsif tg_op = 'UPDATE' then  -- both ids, where the id itself was changed
        select count(*), array_agg(review_id) filter (where place <= 100) into n, ids
        from (select review_id, row_number() over () as place
              from (select review_id from old_rows union select review_id from new_rows) either) changed;
    end if;
    if n = 0 then
        return null;
    end if;
    perform pg_notify(
        'reviews.' || case when octet_length(tg_table_schema) > 55 then md5(tg_table_schema) else tg_table_schema end,
        json_build_object(
            'operation', case when n > 100 then 'bulk' else lower(tg_op) end,
            'ids', case when n <= 100 then ids else '{}' end,
            'count', n,
            -- also keeps two changes of one transaction apart, of which the server would drop the second if they were equal
            'moment', clock_timestamp()
        )::text
    );
    return null;
end
$$;
create or replace trigger notify_insert after insert on reviews
    referencing new table as new_rows for each statement execute function notify_reviews();
create or replace trigger notify_delete after delete on reviews
    referencing old table as old_rows for each statement execute function notify_reviews();
create or replace trigger notify_update after update on reviews
    referencing old table as old_rows new table as new_rows for each statement execute function notify_reviews();
create or replace trigger notify_truncate after truncate on reviews
    for each statement execute function notify_reviews();
