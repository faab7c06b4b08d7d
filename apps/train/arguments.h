// The command line of kvlink-train.
#pragma once

#include "train/average.h"
#include "train/options.h"

namespace kvlink::train_app {

struct Arguments {
  bool run = false;  // else exit with exit_status: help was printed, or the usage was wrong
  int exit_status = 0;
  train::TrainOptions options;
  train::AverageOptions average;  // with links: they are averaged, and nothing is trained
};

Arguments ParseArguments(int argc, char** argv);

}  // namespace kvlink::train_app
