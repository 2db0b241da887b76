//! Integration tests, one file a theme, in one binary: it links once.

mod command_line;
mod golden;
mod http;
mod http_refusals;
mod loading;
mod readme;
mod support;
mod text;
