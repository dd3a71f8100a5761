// Times the convolutions and dense layers of a network as int8 primitives of oneDNN: unsigned activations, signed weights, one scale for
// each output channel, ReLU and shortcut in the epilogue. Nothing else of the network is computed: pools and reorders cost nothing here.
//
// One argument: a file with a line for each buffer, "buffer N C H W", and for each layer, in order,
//   "conv SRC DST SUM RELU  OC IC KH KW  SH SW  PT PL  DH DW  GROUPS" or "dense SRC DST OC IC"
// where SRC and DST number the buffers; with SUM the buffer DST already holds the shortcut. Then the protocol of line-process.ts.
#include <oneapi/dnnl/dnnl.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

using namespace dnnl;
using tag = memory::format_tag;
using dt = memory::data_type;
using dims = memory::dims;

namespace {

engine cpu(engine::kind::cpu, 0);
stream order(cpu);
std::map<std::string, int> kernels;

struct Step {
  primitive run;
  std::unordered_map<int, memory> args;
};

template <typename T>
void fill(const memory &at, int from, int span) {
  T *data = static_cast<T *>(at.get_data_handle());
  std::uint32_t state = 12345;
  for (size_t i = 0; i < at.get_desc().get_size() / sizeof(T); i++) {
    state = state * 1664525U + 1013904223U;
    data[i] = static_cast<T>(from + static_cast<int>((state >> 16) % static_cast<std::uint32_t>(span)));
  }
}

/// Weights drawn in their plain order, then brought into the order that the kernel wants.
memory weights_for(const dims &shape, tag plain, const memory::desc &wanted) {
  memory drawn({shape, dt::s8, plain}, cpu);
  fill<std::int8_t>(drawn, -127, 255);
  memory packed(wanted, cpu);
  reorder(drawn, packed).execute(order, drawn, packed);
  order.wait();
  return packed;
}

memory bias_for(memory::dim channels) {
  memory bias({{channels}, dt::s32, tag::x}, cpu);
  fill<std::int32_t>(bias, -1000, 2000);
  return bias;
}

/// A scale for each output channel, small enough that results spread over eight bits.
primitive_attr scales_for(memory::dim channels, memory::dim steps) {
  primitive_attr attr;
  std::vector<float> scales(static_cast<size_t>(channels));
  for (size_t i = 0; i < scales.size(); i++)
    scales[i] = (0.02f + 0.0001f * static_cast<float>(i % 7)) / static_cast<float>(steps);
  attr.set_output_scales(1 << 1, scales);
  return attr;
}

Step convolution(std::istream &line, const std::vector<memory> &buffers) {
  size_t src, dst;
  int sum, relu;
  memory::dim oc, ic, kh, kw, sh, sw, pt, pl, dh, dw, groups;
  line >> src >> dst >> sum >> relu >> oc >> ic >> kh >> kw >> sh >> sw >> pt >> pl >> dh >> dw >> groups;
  const memory::desc from = buffers[src].get_desc(), to = buffers[dst].get_desc();
  const dims in = from.dims(), out = to.dims();
  const auto end = [](memory::dim o, memory::dim s, memory::dim k, memory::dim d, memory::dim i, memory::dim p) {
    return (o - 1) * s + d * (k - 1) + 1 - i - p;
  };
  const dims shape = groups == 1 ? dims{oc, ic, kh, kw} : dims{groups, oc / groups, ic, kh, kw};
  primitive_attr attr = scales_for(oc, ic * kh * kw);
  post_ops after;
  if (sum) after.append_sum(1.0f);
  if (relu) after.append_eltwise(1.0f, algorithm::eltwise_relu, 0.0f, 0.0f);
  attr.set_post_ops(after);
  const memory bias = bias_for(oc);
  const convolution_forward::desc what(
      prop_kind::forward_inference, algorithm::convolution_direct, from, {shape, dt::s8, tag::any},
      bias.get_desc(), to, {sh, sw}, {dh - 1, dw - 1}, {pt, pl},
      {end(out[2], sh, kh, dh, in[2], pt), end(out[3], sw, kw, dw, in[3], pl)});
  const convolution_forward::primitive_desc chosen(what, attr, cpu);
  kernels[chosen.impl_info_str()]++;
  const memory weights = weights_for(shape, groups == 1 ? tag::oihw : tag::goihw, chosen.weights_desc());
  return {convolution_forward(chosen),
          {{DNNL_ARG_SRC, buffers[src]}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_BIAS, bias}, {DNNL_ARG_DST, buffers[dst]}}};
}

Step dense(std::istream &line, const std::vector<memory> &buffers) {
  size_t src, dst;
  memory::dim oc, ic;
  line >> src >> dst >> oc >> ic;
  const memory::dim batch = buffers[src].get_desc().dims()[0];
  const memory from({{batch, ic}, dt::u8, tag::nc}, cpu, buffers[src].get_data_handle());
  const memory to({{batch, oc}, dt::f32, tag::nc}, cpu);
  const memory bias = bias_for(oc);
  const inner_product_forward::desc what(prop_kind::forward_inference, from.get_desc(), {{oc, ic}, dt::s8, tag::any},
                                         bias.get_desc(), to.get_desc());
  const inner_product_forward::primitive_desc chosen(what, scales_for(oc, ic), cpu);
  kernels[chosen.impl_info_str()]++;
  const memory weights = weights_for({oc, ic}, tag::oi, chosen.weights_desc());
  return {inner_product_forward(chosen),
          {{DNNL_ARG_SRC, from}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_BIAS, bias}, {DNNL_ARG_DST, to}}};
}

void run(std::vector<Step> &steps) {
  for (Step &step : steps) step.run.execute(order, step.args);
  order.wait();
}

} // namespace

int main(int count, char **arguments) {
  if (count != 2) return std::fprintf(stderr, "error: one argument, a network\n"), 2;
  std::vector<memory> buffers;
  std::vector<Step> steps;
  std::ifstream network(arguments[1]);
  for (std::string text; std::getline(network, text);) {
    std::istringstream line(text);
    std::string word;
    line >> word;
    if (word == "buffer") {
      dims shape(4);
      for (memory::dim &extent : shape) line >> extent;
      buffers.emplace_back(memory::desc(shape, dt::u8, tag::nhwc), cpu);
      fill<std::uint8_t>(buffers.back(), 0, 256);
    } else {
      steps.push_back(word == "conv" ? convolution(line, buffers) : dense(line, buffers));
    }
  }
  const dnnl_version_t *version = dnnl_version();
  std::printf("{\"device\":\"oneDNN %d.%d.%d\",\"kernels\":{", version->major, version->minor, version->patch);
  const char *comma = "";
  for (const auto &[name, uses] : kernels) {
    std::printf("%s\"%s\":%d", comma, name.c_str(), uses);
    comma = ",";
  }
  std::printf("}}\n");
  std::fflush(stdout);
  for (int times; std::scanf("%d", &times) == 1;) {
    comma = "[";
    for (int i = 0; i < times; i++) {
      const auto start = std::chrono::steady_clock::now();
      run(steps);
      const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
      std::printf("%s%.6f", comma, time.count());
      comma = ",";
    }
    std::printf("]\n");
    std::fflush(stdout);
  }
}
