//! Integration tests, one file a theme, in one binary: it links once.

mod cache;
mod command_line;
mod configuration;
mod datasets;
mod diff;
mod dry_run;
mod golden;
mod http;
mod http_document;
mod http_refusals;
mod job_orders;
mod jobs;
mod loading;
mod openapi;
mod overload;
mod privacy;
mod readme;
mod stages;
mod summaries;
mod support;
mod text;
mod uploads;
