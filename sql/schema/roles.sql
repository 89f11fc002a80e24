-- Roles for a table reviews that exists: to read all but the private texts, to read these too, to write; and a person.
-- Run it once as the owner of the table and the database who may create roles.  Rights are what binds; the settings of
-- a login are a guard against accidents, which a session can take off.
begin;

revoke all on :"schema".reviews from public;
revoke create on schema :"schema" from public;
revoke temporary, create on database :"database" from public;

create role :"reader" nologin;
grant connect on database :"database" to :"reader";
grant usage on schema :"schema" to :"reader";
grant select (review_id, public_review, rating, submitted_at) on :"schema".reviews to :"reader";

-- Personal data: for those who need it.
create role :"private" nologin in role :"reader";
grant select (private_review) on :"schema".reviews to :"private";

-- Adds, changes and deletes reviews, and cannot read a private text.  Temporary tables are for loads that skip or update.
create role :"writer" nologin in role :"reader";
grant insert (review_id, public_review, private_review, rating, submitted_at),
      update (public_review, private_review, rating, submitted_at),
      delete on :"schema".reviews to :"writer";
grant temporary on database :"database" to :"writer";

-- A login for each person and each program, in one of the roles above.  Its password is set by \password in psql, which
-- does not send it as text.
create role :"login" login in role :"reader" connection limit 10;
alter role :"login" set default_transaction_read_only = on;
alter role :"login" set statement_timeout = '5min';
alter role :"login" set idle_in_transaction_session_timeout = '60s';
alter role :"login" in database :"database" set search_path = pg_catalog, :"schema", pg_temp;

commit;
