//! What the harness knows: each room imports only the rooms above it in this list.

pub(crate) mod record;

pub(crate) mod contract;

pub(crate) mod ladder;

pub(crate) mod sandbox;

pub(crate) mod provenance;

pub(crate) mod run;

pub(crate) mod report;

pub(crate) mod ratchet;

pub(crate) mod repro;

pub(crate) mod roles;

pub(crate) mod queue;

pub(crate) mod gate;

pub(crate) mod hooks;

pub(crate) mod ci;

pub(crate) mod orient;

pub(crate) mod autoloop;
