#include "cli/interrupt.h"

#include <poll.h>

#include <cerrno>
#include <csignal>

namespace kvlink::cli {
namespace {

volatile std::sig_atomic_t interrupted = 0;

extern "C" void NoteInterrupt(int) { interrupted = 1; }

}  // namespace

void CatchInterrupt() {
  struct sigaction action {};
  action.sa_handler = NoteInterrupt;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART | SA_RESETHAND;  // the second one has the default effect
  sigaction(SIGINT, &action, nullptr);
}

bool Interrupted() { return interrupted != 0; }

bool WaitForInput(int descriptor) {
  // Blocked but while waiting, so that none comes between the look and the wait.
  sigset_t interrupt, before;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, &before);
  bool ready = false;
  while (!Interrupted() && !ready) {
    pollfd input{descriptor, POLLIN, 0};
    // What cannot be waited for (an error) is for the read to say.
    ready = ppoll(&input, 1, nullptr, &before) >= 0 || errno != EINTR;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return ready && !Interrupted();
}

}  // namespace kvlink::cli
