// Ctrl-C: the first asks the running command to stop at the next safe place, the second kills.
#pragma once

namespace kvlink::cli {

// From now on SIGINT is noted instead of killing, once.
void CatchInterrupt();
bool Interrupted();
// Waits until the descriptor has bytes, or its end. False: interrupted, before or meanwhile. (A
// read alone would be started again by the system and never return.)
bool WaitForInput(int descriptor);

}  // namespace kvlink::cli
