//! Workflows: valid, without findings, and every command line of them run here.
