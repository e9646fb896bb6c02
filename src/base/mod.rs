//! Values that every room speaks in: they parse and print themselves and do no IO.

pub(crate) mod allowed_host;
pub(crate) mod byte_size;
pub(crate) mod category;
pub(crate) mod day;
pub(crate) mod digest;
pub(crate) mod exit_code;
pub(crate) mod explain;
pub(crate) mod failure_id;
pub(crate) mod host;
pub(crate) mod image;
pub(crate) mod panic_text;
pub(crate) mod percent;
pub(crate) mod seed;
pub(crate) mod shard;
pub(crate) mod shell;
pub(crate) mod text;
pub(crate) mod tier;
pub(crate) mod time_limit;

pub(crate) use allowed_host::AllowedHost;
pub(crate) use byte_size::ByteSize;
pub(crate) use category::Category;
pub(crate) use day::Day;
pub(crate) use digest::Digest;
pub(crate) use exit_code::ExitCode;
pub(crate) use explain::Explain;
pub(crate) use failure_id::{FailureId, FailureKind};
pub(crate) use host::Host;
pub(crate) use image::Image;
pub(crate) use percent::Percent;
pub(crate) use seed::Seed;
pub(crate) use shard::Shard;
pub(crate) use shell::CommandLine;
pub(crate) use tier::{Tier, Tiers};
pub(crate) use time_limit::TimeLimit;
