-- The table, as every part of reviewlab expects it; harmless where it is there already.
create table if not exists reviews (
    review_id      uuid primary key,
    public_review  text not null,
    private_review text null,
    rating         int not null,
    submitted_at   timestamp not null
);
create index if not exists reviews_submitted_at_review_id on reviews (submitted_at, review_id);
comment on column reviews.private_review is 'written to the company, not to the public: personal data';
