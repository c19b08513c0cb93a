//! The calls: each reads its request, hands a job or a question to the store, and writes the answer.

mod batch;
mod faults;
mod health;
mod inbox;
mod marks;
mod operator;
mod publish;
mod retract;
pub mod routes;
