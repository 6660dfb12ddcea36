// Carries the precompiled header that all unit tests share; see CMakeLists.txt.
