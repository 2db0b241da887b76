//! explaind answers one question about a text classifier of the BERT family: **why did the model say
//! that?**
//!
//! # What lives where
//!
//! | room | what it knows |
//! |---|---|
//! | [`cli`] | the command line: `serve`, `explain`, `diff`, `models` |
//! | [`concept`] | concepts of models: learnt, tested, taken apart, erased, found |
//! | [`config`] | one typed configuration: defaults, file, environment, flags |
//! | [`server`] | HTTP: routes, errors, limits |
//! | [`engine`] | warm models and worker threads; requests checked, answers put together |
//! | [`cache`] | results by content: a tier in memory, a durable one behind it |
//! | [`job`] | the same question about every row of a dataset, in the background |
//! | [`summary`] | a global picture of many answers, how two sets of them differ, which method to believe |
//! | [`dataset`] | rows of text to work on: formats, ids, uploads |
//! | [`store`] | the database behind the durable tier and the datasets |
//! | [`explain`] | the methods: plain functions over a model |
//! | [`model`] | the network: weights, tokenizer, words, forward and backward passes, operators |
//! | [`kernels`] | the arithmetic: matrix products, attention, normalisation, on whatever the processor has |
//! | [`render`] | explanations for the eye |
//! | [`identity`] | keys of results, ids of responses |
//! | [`json_pointer`] | the places that errors point at |
//! | [`metrics`] | what is counted for Prometheus |
//!
//! Each room imports only those below it: `cli` and `server`, then `engine`, then `explain`, then
//! `model`, then `kernels`. Nothing points back up.

pub mod cache;
pub mod cli;
pub mod concept;
pub mod config;
pub mod dataset;
pub mod engine;
pub mod explain;
pub mod identity;
pub mod job;
pub mod json_pointer;
pub mod kernels;
pub mod metrics;
pub mod model;
pub mod render;
pub mod server;
pub mod store;
pub mod summary;
