// What the C library and OpenMP must be told before a program that trains starts.
#pragma once

namespace kvlink::train_app {

// Sets them and starts this program again; returns if they are set already, or cannot be. Threads
// that wait must not spin, and memory that Torch gives back must stay the process's: its pages
// would be zeroed again for every tensor.
void RestartForTorch(char** argv);

}  // namespace kvlink::train_app
