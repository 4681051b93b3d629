"""Layers as classes over `tf.Module`: what TensorFlow 1 users write where a layer is to be an object that can be shared.

`tf.layers` and the cells of `tf.nn.rnn_cell` need Keras 2, which TensorFlow 2.16 and later do not bring.
"""

from collections.abc import Mapping

DENSE = """\
class Dense(tf.Module):
    def __init__(self, name, inputs, units, kernel, bias=None, regularizer=None, trainable=True):
        super().__init__(name=name)
        with tf1.variable_scope(None, default_name=name):
            self.kernel = tf1.get_variable('kernel', [inputs, units], initializer=kernel, regularizer=regularizer, trainable=trainable)
            self.bias = None
            if bias is not None:
                self.bias = tf1.get_variable('bias', [units], initializer=bias, trainable=trainable)

    def __call__(self, inputs):
        outputs = inputs @ self.kernel
        return outputs if self.bias is None else outputs + self.bias
"""
EMBEDDING = """\
class Embedding(tf.Module):
    def __init__(self, name, inputs, units, kernel, regularizer=None, trainable=True):
        super().__init__(name=name)
        with tf1.variable_scope(None, default_name=name):
            self.kernel = tf1.get_variable('kernel', [inputs, units], initializer=kernel, regularizer=regularizer, trainable=trainable)

    def __call__(self, inputs):
        return tf.gather(self.kernel, inputs)
"""
NORM = """\
class Norm(tf.Module):
    def __init__(self, name, features, kernel, bias=None, regularizer=None, trainable=True):
        super().__init__(name=name)
        with tf1.variable_scope(None, default_name=name):
            self.kernel = tf1.get_variable('kernel', [features], initializer=kernel, regularizer=regularizer, trainable=trainable)
            self.bias = None
            if bias is not None:
                self.bias = tf1.get_variable('bias', [features], initializer=bias, trainable=trainable)
            self.mean = tf1.get_variable('mean', [features], initializer=tf1.zeros_initializer(), trainable=False)
            self.var = tf1.get_variable('var', [features], initializer=tf1.ones_initializer(), trainable=False)

    def __call__(self, inputs, training=False):
        mean, var = self.mean, self.var
        if training:
            mean, var = tf1.nn.moments(inputs, [0])
            for kept, now in [(self.mean, mean), (self.var, var)]:
                tf1.add_to_collection(tf1.GraphKeys.UPDATE_OPS, tf1.assign_sub(kept, 0.1 * (kept - now)))
        return tf.nn.batch_normalization(inputs, mean, var, self.bias, self.kernel, 0.001)
"""
CELL = """\
class Cell(tf.Module):
    def __init__(self, name, inputs, units, kernel, recurrent, bias=None, regularizer=None, trainable=True):
        super().__init__(name=name)
        self.state_size = self.output_size = units
        with tf1.variable_scope(None, default_name=name):
            self.kernel = tf1.get_variable('kernel', [inputs, units], initializer=kernel, regularizer=regularizer, trainable=trainable)
            self.recurrent = tf1.get_variable('recurrent', [units, units], initializer=recurrent, trainable=trainable)
            self.bias = None
            if bias is not None:
                self.bias = tf1.get_variable('bias', [units], initializer=bias, trainable=trainable)

    def zero_state(self, batch_size, dtype):
        return tf.zeros([batch_size, self.state_size], dtype)

    def __call__(self, inputs, state, scope=None):
        outputs = inputs @ self.kernel + state @ self.recurrent
        outputs = tf.tanh(outputs if self.bias is None else outputs + self.bias)
        return outputs, outputs
"""
RNN = """\
class RNN(tf.Module):
    def __init__(self, cell):
        super().__init__(name='rnn')
        self.cell = cell

    def __call__(self, inputs):
        return tf1.nn.dynamic_rnn(self.cell, inputs, dtype=inputs.dtype)[0]
"""
BIDIRECTIONAL = """\
class Bidirectional(tf.Module):
    def __init__(self, cell):
        super().__init__(name='bidirectional')
        self.cell = cell

    def __call__(self, inputs):
        outputs, _ = tf1.nn.bidirectional_dynamic_rnn(self.cell, self.cell, inputs, dtype=inputs.dtype)
        return tf.concat(outputs, axis=-1)
"""
#: kind of layer, or what a layer is wrapped in -> the class that stands for it
CLASSES: Mapping[str, str] = {
    "dense": DENSE,
    "embedding": EMBEDDING,
    "norm": NORM,
    "cell": CELL,
    "rnn": RNN,
    "bidirectional": BIDIRECTIONAL,
}
