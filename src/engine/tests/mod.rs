//! Tests of the decision as a whole: tables that read as its specification, and laws over random worlds.

mod conditions;
mod edited;
mod finally;
mod laws;
mod reference;
mod rules;
mod table;
mod world;
