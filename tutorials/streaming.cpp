/// \file
/// A trigger: events arrive from another thread, at times of their own, and each is decided on at once.
///
///     pysofie emit $(python -c 'import pysofie.demo; print(pysofie.demo.MODEL)') --dim batch=1 -o .
///     g++ -O3 -march=native -pthread $(pysofie config --cflags) -I. tutorials/streaming.cpp -o streaming
///     ./streaming 500000 100        # how many events, and how many per millisecond; 0: as fast as can be
///
/// The way of an event, from its arrival to the decision, takes no lock and no memory: the buffer has a fixed
/// size, `infer` is noexcept and allocates nothing, and times go into histograms of a fixed size. An event
/// that finds the buffer full is dropped and counted. `streaming.py` does all of this, and draws the times.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <thread>
#include <vector>

#include "higgs.hxx"

using Clock = std::chrono::steady_clock;
using Features = std::array<float, 28>;

struct Event {
  std::uint64_t number;
  Clock::time_point arrival;
  Features features;
};

/// Hands events from one thread to one other. Each side writes to cache lines of its own, and asks how far
/// the other is only when what it last saw no longer suffices.
template <class T, std::size_t Capacity>
class RingBuffer {
 public:
  /// \return false when it is full
  bool push(const T& item) noexcept {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - seenHead_ == Capacity) {
      seenHead_ = head_.load(std::memory_order_acquire);
      if (tail - seenHead_ == Capacity) return false;
    }
    items_[tail % Capacity] = item;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /// \return the oldest item, to be read until `pop`; nullptr when there is none
  const T* front() noexcept {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    if (head == seenTail_) {
      seenTail_ = tail_.load(std::memory_order_acquire);
      if (head == seenTail_) return nullptr;
    }
    return &items_[head % Capacity];
  }

  void pop() noexcept { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

 private:
  alignas(64) std::atomic<std::size_t> head_{0};
  std::size_t seenTail_ = 0;
  alignas(64) std::atomic<std::size_t> tail_{0};
  std::size_t seenHead_ = 0;
  alignas(64) std::array<T, Capacity> items_;
};

/// Counts times in bins that are 2% wide, whatever their scale.
class Times {
 public:
  static constexpr std::size_t bins = 1200;

  void add(Clock::duration time) noexcept {
    const double nanoseconds = std::chrono::duration<double, std::nano>(time).count();
    const double bin = std::log2(std::max(nanoseconds, 1.0)) * binsPerOctave;
    ++counts_[std::min(static_cast<std::size_t>(bin), bins - 1)];
    ++total_;
    maximum_ = std::max(maximum_, nanoseconds);
  }

  /// The time in nanoseconds that this fraction of the events does not exceed, up to the width of a bin.
  double quantile(double fraction) const noexcept {
    const double wanted = fraction * static_cast<double>(total_);
    double seen = 0;
    for (std::size_t bin = 0; bin < bins; ++bin)
      if ((seen += static_cast<double>(counts_[bin])) >= wanted) return std::min(edge(bin + 1), maximum_);
    return maximum_;
  }

  double maximum() const noexcept { return maximum_; }
  std::uint64_t count(std::size_t bin) const noexcept { return counts_[bin]; }
  static double edge(std::size_t bin) noexcept { return std::exp2(static_cast<double>(bin) / binsPerOctave); }

  void print(const char* name) const {
    std::printf("%s: median %.0f ns, p99 %.0f ns, p99.9 %.0f ns, maximum %.0f ns\n", name, quantile(0.5),
                quantile(0.99), quantile(0.999), maximum());
  }

 private:
  static constexpr double binsPerOctave = 35;

  std::array<std::uint64_t, bins> counts_{};
  std::uint64_t total_ = 0;
  double maximum_ = 0;
};

/// Stands for the detector: events at random times, with a mean rate.
class Detector {
 public:
  explicit Detector(double eventsPerMillisecond) : rate_(eventsPerMillisecond / 1e6), collisions_(1024) {
    std::exponential_distribution<float> feature;
    for (Features& features : collisions_)
      for (float& value : features) value = feature(random_);
  }

  /// \return how many events found the buffer full
  template <class Buffer>
  std::uint64_t send(std::uint64_t events, Buffer& buffer) {
    std::uint64_t dropped = 0;
    const Clock::time_point start = Clock::now();
    double next = 0;
    for (std::uint64_t number = 0; number < events; ++number) {
      if (rate_ > 0) {
        next += gap_(random_) / rate_;
        waitUntil(start + std::chrono::nanoseconds(std::llround(next)));
      }
      if (!buffer.push({number, Clock::now(), collisions_[number % collisions_.size()]})) ++dropped;
    }
    return dropped;
  }

 private:
  static void waitUntil(Clock::time_point time) {
    while (Clock::now() < time) std::this_thread::yield();
  }

  std::mt19937_64 random_{1};
  std::exponential_distribution<double> gap_;
  double rate_;  ///< events per nanosecond
  std::vector<Features> collisions_;
};

/// Decides on the events of a buffer.
class Trigger {
 public:
  static constexpr float threshold = 0.8f;

  template <class Buffer>
  void run(Buffer& buffer, const std::atomic<bool>& finished) noexcept {
    for (;;) {
      const bool last = finished.load(std::memory_order_acquire);  // before looking, not after
      if (const Event* event = buffer.front()) {
        decide(*event);
        buffer.pop();
      } else if (last) {
        return;
      } else {
        std::this_thread::yield();
      }
    }
  }

  std::uint64_t decided = 0, accepted = 0;
  Times inference, latency;

 private:
  void decide(const Event& event) noexcept {
    static_assert(noexcept(session_.infer(nullptr, nullptr)));
    float score = 0;
    const Clock::time_point begin = Clock::now();
    session_.infer(event.features.data(), &score);  // 0, as this model looks nothing up by an index
    const Clock::time_point end = Clock::now();
    ++decided;
    accepted += score > threshold;
    inference.add(end - begin);
    latency.add(end - event.arrival);
  }

  TMVA_SOFIE_higgs::Session session_{"higgs.dat"};
};

void write(const char* path, const Trigger& trigger) {
  std::ofstream file(path);
  file << "# from_ns to_ns inference latency\n";
  for (std::size_t bin = 0; bin < Times::bins; ++bin)
    file << Times::edge(bin) << ' ' << Times::edge(bin + 1) << ' ' << trigger.inference.count(bin) << ' '
         << trigger.latency.count(bin) << '\n';
}

int main(int argc, char** argv) {
  const std::uint64_t events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 500000;
  const double eventsPerMillisecond = argc > 2 ? std::strtod(argv[2], nullptr) : 100;

  static RingBuffer<Event, 1024> buffer;
  Detector detector(eventsPerMillisecond);
  Trigger trigger;
  std::atomic<bool> finished{false};
  std::uint64_t dropped = 0;

  const Clock::time_point start = Clock::now();
  std::thread sender([&] {
    dropped = detector.send(events, buffer);
    finished.store(true, std::memory_order_release);
  });
  trigger.run(buffer, finished);
  sender.join();
  const double milliseconds = std::chrono::duration<double, std::milli>(Clock::now() - start).count();

  std::printf("%llu events: %llu decided, %llu dropped, %llu accepted\n",
              static_cast<unsigned long long>(events), static_cast<unsigned long long>(trigger.decided),
              static_cast<unsigned long long>(dropped), static_cast<unsigned long long>(trigger.accepted));
  trigger.inference.print("inference");
  trigger.latency.print("latency");
  std::printf("rate: %.1f events per millisecond\n", static_cast<double>(trigger.decided) / milliseconds);
  write("streaming.txt", trigger);
  return trigger.decided + dropped == events ? 0 : 1;
}
