// Ctrl-C: the first asks the running command to stop at the next safe place, the second kills.
#pragma once

namespace kvlink::cli {

// From now on SIGINT is noted instead of killing, once.
void CatchInterrupt();
bool Interrupted();

}  // namespace kvlink::cli
