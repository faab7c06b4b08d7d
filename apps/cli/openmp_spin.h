// How long threads spin before they sleep. libgomp reads that from the environment before main, and
// its default, some milliseconds, makes a pass crawl as soon as another program wants a core: each
// of its some 450 barriers then costs a slice of the scheduler's time.
#pragma once

namespace kvlink::cli {

// Starts the program again with a short spin, unless the environment already says how threads wait.
// Returns if it need not or cannot.
void RestartWithShortSpins(char** argv);

}  // namespace kvlink::cli
