//! On a real OpenBao.
