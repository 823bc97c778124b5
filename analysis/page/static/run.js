// The network run on the samples of the page, with some neurons held at zero. Draws nothing.
const run = (() => {
  if (!data.samples) return null;

  const samples = unpackAll(data.samples);
  const { n_samples: nSamples, n_symbols: nSymbols, n_iterations: nIterations } = samples;
  const { activation, input_mode: mode, targets } = samples;
  const nNeurons = data.n_neurons;
  const nInputs = data.n_inputs;
  const firstOutput = nNeurons - data.n_outputs;
  const isStream = mode === "stream" || mode === "elman";
  const phi = activation === "tanh" ? Math.tanh : (x) => (x > 0 ? x : 0);
  const inputs = decode(samples);
  let compiled = null; // of the snapshot and the level that were run last

  /** Inputs as numbers, by symbol, input and sample. */
  function decode({ codes, values }) {
    return codes ? Float64Array.from(codes, (code) => values[code]) : values;
  }

  // ---- the weights that are kept, by the neuron that they lead to

  /** Whether a weight is read at all: a hidden layer of Elman lies between its two ends. */
  function isRead(to, from) {
    if (mode !== "elman") return true;
    if (to < nInputs || from >= firstOutput) return false;
    return to < firstOutput || from >= nInputs;
  }

  /** Weights above the threshold of the level as rows, and all biases; null where some that matter
   *  are missing. */
  function compile() {
    const now = snapshot();
    const { threshold } = level();
    if (compiled?.now === now && compiled.threshold === threshold) return compiled;

    const rest = unpackAll(now.rest);
    if (rest.complete_above > threshold) return null;

    const bias = new Float64Array(nNeurons);
    rest.biased.forEach((id, k) => (bias[id] = rest.bias[k]));
    const ids = neurons.ids;
    const drawn = { to: now.weights.to.map((n) => ids[n]), from: now.weights.from.map((n) => ids[n]) };
    const rows = rowsOf([{ ...drawn, value: now.weights.value }, rest], threshold);
    compiled = { now, threshold, bias, ...rows, whole: null };
    compiled.needed = neededAt(compiled);
    return compiled;
  }

  /** The weights of some lists that are larger than a threshold: those to neuron i are entries
   *  first[i] to first[i + 1] of `from` and `value`. */
  function rowsOf(lists, threshold) {
    const least = Math.fround(threshold); // as precise as the weights are
    const kept = [];
    for (const { to, from, value } of lists) {
      for (let e = 0; e < value.length; e++) {
        if (Math.abs(value[e]) <= least || !isRead(to[e], from[e])) continue;
        kept.push([to[e], from[e], value[e]]);
      }
    }

    const first = new Uint32Array(nNeurons + 1);
    for (const [to] of kept) first[to + 1]++;
    for (let i = 0; i < nNeurons; i++) first[i + 1] += first[i];
    const next = first.slice();
    const from = new Uint32Array(kept.length);
    const value = new Float64Array(kept.length);
    for (const [to, source, weight] of kept) {
      from[next[to]] = source;
      value[next[to]++] = weight;
    }
    return { first, from, value };
  }

  /** The neurons that have to be computed at each iteration, for an output to be known at the end;
   *  of a stream, at any. */
  function neededAt({ first, from }) {
    const needed = [];
    let now = new Set(Array.from({ length: data.n_outputs }, (_, k) => firstOutput + k));
    for (let l = nIterations; l >= 1 && !isStream; l--) {
      needed[l] = Int32Array.from(now);
      now = sourcesOf(now, first, from);
    }
    if (!isStream) return needed;

    for (let before = 0; before < now.size; ) {
      before = now.size;
      now = new Set([...now, ...sourcesOf(now, first, from)]);
    }
    return Int32Array.from(now);
  }

  /** Those that some neurons read, but for inputs that are written anyway. */
  function sourcesOf(targets, first, from) {
    const sources = new Set();
    for (const i of targets) {
      for (let e = first[i]; e < first[i + 1]; e++) {
        if (mode === "pulse" || from[e] >= nInputs) sources.add(from[e]);
      }
    }
    return sources;
  }

  // ---- an application of W

  /** Activity of all neurons on all samples, and whether a neuron is anything but zero. */
  const blank = () => ({
    N: new Float64Array(nNeurons * nSamples),
    carries: new Uint8Array(nNeurons),
  });

  /** Write the inputs of a symbol, those that are silenced aside. */
  function write(state, symbol, silenced) {
    const offset = symbol * nInputs * nSamples;
    for (let i = 0; i < nInputs; i++) {
      state.carries[i] = silenced.has(i) ? 0 : 1;
      const at = offset + i * nSamples;
      state.N.set(inputs.subarray(at, at + nSamples), i * nSamples);
    }
  }

  /** What some neurons receive from the last state, in the next one; zero where they are
   *  silenced. Neurons that are not listed are left as they are. */
  function apply(net, state, next, listed, silenced) {
    const { first, from, value, bias } = net;
    const rows = new Uint32Array(nNeurons); // where the activity of a source begins
    const weights = new Float64Array(nNeurons);
    for (const i of listed) {
      const row = i * nSamples;
      const isSilent = silenced.has(i);
      next.carries[i] = isSilent ? 0 : 1;
      next.N.fill(isSilent ? 0 : bias[i], row, row + nSamples);
      if (isSilent) continue;

      let n = 0;
      for (let e = first[i]; e < first[i + 1]; e++) {
        if (!state.carries[from[e]]) continue;
        rows[n] = from[e] * nSamples;
        weights[n++] = value[e];
      }
      addRows(next.N, row, state.N, rows, weights, n);
    }
  }

  /** Add n rows of one array to a row of another, each times its weight; four at a time, which
   *  takes half as long. */
  function addRows(sum, at, N, rows, weights, n) {
    let e = 0;
    for (; e + 4 <= n; e += 4) {
      const [r0, r1, r2, r3] = [rows[e], rows[e + 1], rows[e + 2], rows[e + 3]];
      const [w0, w1, w2, w3] = [weights[e], weights[e + 1], weights[e + 2], weights[e + 3]];
      for (let k = 0; k < nSamples; k++) {
        sum[at + k] += w0 * N[r0 + k] + w1 * N[r1 + k] + w2 * N[r2 + k] + w3 * N[r3 + k];
      }
    }
    for (; e < n; e++) {
      for (let k = 0; k < nSamples; k++) sum[at + k] += weights[e] * N[rows[e] + k];
    }
  }

  /** Make activity of what some neurons have received. */
  function fire(state, listed) {
    const { N, carries } = state;
    for (const i of listed) {
      if (!carries[i]) continue;
      let any = 0;
      for (let k = i * nSamples; k < (i + 1) * nSamples; k++) {
        N[k] = phi(N[k]);
        if (N[k]) any = 1;
      }
      carries[i] = any;
    }
  }

  // ---- all iterations, and the score

  /** The score of a network whose input is there at the start, or at all iterations, the same one or
   *  one after the other. */
  function scoreOnce(net, silenced) {
    let now = blank();
    let next = blank();
    write(now, 0, silenced);
    for (let l = 1; l <= nIterations; l++) {
      next.carries.fill(0);
      apply(net, now, next, net.needed[l], silenced);
      if (l < nIterations) {
        fire(next, net.needed[l]);
        if (mode !== "pulse") write(next, mode === "sequence" ? l : 0, silenced);
      }
      [now, next] = [next, now];
    }

    const output = (c, k) => (now.carries[firstOutput + c] ? now.N[(firstOutput + c) * nSamples + k] : 0);
    return samples.score === "R2" ? shareExplained(output) : hits(output, 0) / nSamples;
  }

  /** The share of symbols that are foretold; the state is carried from symbol to symbol. */
  function scoreStream(net, silenced) {
    let now = blank();
    let next = blank();
    const outputs = net.needed.filter((i) => i >= firstOutput);
    const hidden = net.needed.filter((i) => i >= nInputs && i < firstOutput);
    let right = 0;
    for (let t = 0; t < nSymbols; t++) {
      write(now, t, silenced);
      const at = mode === "elman" ? readElman : readStream;
      const read = at(net, now, next, { hidden, outputs, silenced });
      right += hits((c, k) => read.N[(firstOutput + c) * nSamples + k], t);
      if (mode === "stream") fire(next, outputs);
      [now, next] = [next, now];
    }
    return right / (nSymbols * nSamples);
  }

  /** Every neuron takes what it receives; outputs are read before they fire. */
  function readStream(net, now, next, { hidden, outputs, silenced }) {
    apply(net, now, next, hidden, silenced);
    apply(net, now, next, outputs, silenced);
    fire(next, hidden);
    return next;
  }

  /** Hidden neurons take the symbol and their own state, and are read at the same symbol. */
  function readElman(net, now, next, { hidden, outputs, silenced }) {
    apply(net, now, next, hidden, silenced);
    fire(next, hidden);
    apply(net, next, next, outputs, silenced);
    for (const i of outputs) next.carries[i] = 0;
    return next;
  }

  /** How many samples have their largest output at their target; of equals the first is taken. */
  function hits(output, symbol) {
    let right = 0;
    for (let k = 0; k < nSamples; k++) {
      let best = 0;
      for (let c = 1; c < data.n_outputs; c++) if (output(c, k) > output(best, k)) best = c;
      if (best === targets[k * nSymbols + symbol]) right++;
    }
    return right;
  }

  /** R2 over all outputs together: what is left of the variance, taken from one. */
  function shareExplained(output) {
    const nOutputs = data.n_outputs;
    const mean = new Float64Array(nOutputs);
    targets.forEach((y, at) => (mean[at % nOutputs] += y / nSamples));
    let left = 0;
    let total = 0;
    targets.forEach((y, at) => {
      const c = at % nOutputs;
      left += (output(c, Math.floor(at / nOutputs)) - y) ** 2;
      total += (y - mean[c]) ** 2;
    });
    return 1 - left / total;
  }

  /** The score of what the sliders show without some neurons, by id; null where it cannot be had.
   *  That of the whole network is remembered. */
  function score(silenced) {
    const net = compile();
    if (!net) return null;

    const measure = isStream ? scoreStream : scoreOnce;
    if (silenced.size) return measure(net, silenced);
    net.whole ??= measure(net, silenced);
    return net.whole;
  }

  return { score, nSamples, nSymbols, isStream, name: samples.score };
})();
