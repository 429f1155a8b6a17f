//! Tests of the decision as a whole: tables that read as its specification, and laws over random worlds.

mod deadline;
mod edited;
mod laws;
mod retry;
mod table;
mod world;
