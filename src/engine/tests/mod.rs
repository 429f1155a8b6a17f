//! Tests of the decision as a whole: tables that read as its specification, and laws over random worlds.

mod child;
mod claims;
mod conditions;
mod control;
mod deadline;
mod edited;
mod finally;
mod for_each;
mod generation;
mod graph;
mod happening;
mod laws;
mod log;
mod pace;
mod packed;
mod reference;
mod resource;
mod retention;
mod retry;
mod rules;
mod sealed;
mod slot;
mod slot_race;
mod table;
mod ttl;
mod world;
