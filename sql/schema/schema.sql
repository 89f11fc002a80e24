-- Where the table of a service lies, apart from those of others.
create schema :"schema";
