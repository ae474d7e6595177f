// Threads that all come with the same two slot numbers: each must have a session to itself.
#include <atomic>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "pysofie/rdf.hxx"

using pysofie::rdf::Pool;

static std::atomic<int> made{0}, alive{0}, faults{0};

struct Session {
  Session() {
    ++made;
    ++alive;
  }
  ~Session() { --alive; }
  // Not atomic: a second holder would be a data race that the sanitizer sees.
  void use(int holder) {
    owner = holder;
    for (int i = 0; i < 10; ++i) total += i;
    if (owner != holder) ++faults;
  }
  int owner = 0;
  long total = 0;
};

static void share(Pool<Session>& pool, int threads, int rounds) {
  std::vector<std::thread> crowd;
  for (int t = 0; t < threads; ++t)
    crowd.emplace_back([&pool, t, rounds] {
      for (int i = 0; i < rounds; ++i) pool.lease(static_cast<unsigned>(t % 2))->use(t);
    });
  for (std::thread& thread : crowd) thread.join();
}

// More holders at once than there are places for idle sessions.
static void crowdThePool(Pool<Session>& pool, int depth) {
  const auto lease = pool.lease(0);
  lease->use(depth);
  if (depth > 0) crowdThePool(pool, depth - 1);
}

int main() {
  {
    Pool<Session> pool([] { return std::make_unique<Session>(); });
    share(pool, 8, 20000);
    if (made > 9) ++faults;  // slots 0 and 1, and the next seven places
    crowdThePool(pool, 300);
    if (alive > 256) ++faults;
  }
  {
    Pool<Session> pool([]() -> std::unique_ptr<Session> { throw std::runtime_error("no session"); });
    try {
      pool.lease(0);
      ++faults;
    } catch (const std::runtime_error&) {
    }
  }
  if (alive != 0) ++faults;
  std::printf("%d sessions, %d faults\n", made.load(), faults.load());
  return faults;
}
